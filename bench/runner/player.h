/* A micro workload as one thread does it: prepared, filled, in batches, drained. */
#ifndef POOLPROOF_PLAYER_H
#define POOLPROOF_PLAYER_H

#include "timing.h"

/* What the threads of a workload with several owners have in common. */
struct Shared {
    void *heap;
    struct channel *channels;
};

/* One thread's share of a workload: its arrays, its heap unless that is shared, its litter. */
class Player
{
  public:
    Player(const Workload &workload, const struct arm *arm, const Shared *shared = nullptr,
           unsigned thread = 0)
        : workload_(workload), arm_(arm), scale_(workload.scale), owns_heap_(!shared)
    {
        const struct shape *shape = workload.shape;
        if (shape_prepare(&work_, shape, scale_, arm->allocator) != 0)
            fail(4, "no memory for the workload's arrays");
        if (shared) {
            work_.channels = shared->channels;
            work_.thread = thread;
            heap_ = shared->heap;
        } else {
            const struct allocator_needs own = shape_needs(shape, scale_);
            struct allocator_needs needs = workload.littered ? litter_needs(scale_) : own;
            if (arm->allocator->abilities & ALLOCATOR_ONE_SIZE)
                needs.largest = own.largest;
            heap_ = open_heap(arm->allocator, needs);
        }
        if (workload.littered && litter_make(&litter_, scale_, arm->allocator, heap_) != 0)
            fail(4, "no memory for the litter's arrays");
        if (!shape->ends_empty)
            arm->fill(&work_, heap_);
        if (shape->filled)
            shape->filled(&work_);
        /* Each object replaced twice or so: what is timed is a heap in use, not a new one. */
        for (size_t done = 0; done <= 4 * (size_t)scale_->live; done += shape->operations(scale_))
            batch();
    }

    ~Player()
    {
        if (!workload_.shape->ends_empty) {
            shape_settle(&work_);
            arm_->drain(&work_, heap_);
        }
        if (workload_.littered)
            litter_drop(&litter_, arm_->allocator, heap_);
        if (owns_heap_)
            arm_->allocator->close(heap_);
        shape_drop(&work_);
    }

    Player(const Player &) = delete;
    Player &operator=(const Player &) = delete;

    void batch()
    {
        arm_->batches[workload_.index](&work_, heap_);
        if (!(arm_->allocator->abilities & ALLOCATOR_REUSES))
            arm_->allocator->reset(heap_);
    }

    const struct work &work() const
    {
        return work_;
    }

  private:
    const Workload &workload_;
    const struct arm *arm_;
    const struct scale *scale_;
    const bool owns_heap_;
    struct work work_;
    void *heap_;
    struct litter litter_{};
};

#endif
