/* Compiling a trace for the player, in a child process. */
#define _GNU_SOURCE
#include "replay.h"
#include "trace.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the child leaves in the shared file: this, and the operations after it. */
struct leaf {
    struct replay replay; /* its pointers mean nothing */
    char message[300];
};

struct compiler {
    struct replay replay;
    FILE *out;
    uint32_t *sizes;  /* of the object in each slot; 0: none */
    uint32_t *aligns; /* of that object in bytes; 0: ordinary */
    uint64_t live_bytes;
    uint32_t live_objects;
};

/* Short objects are written and read more than once in their last line, so that there is no branch
 * to mispredict: that would be the harness's time. */
static void find_lines(struct replay_op *op)
{
    const uint32_t last = op->size < 8 ? 0 : (op->size - 8) / REPLAY_LINE;
    for (uint32_t line = 1; line < REPLAY_LINES; line++)
        op->lines[line - 1] = (uint8_t)((line < last ? line : last) * (REPLAY_LINE / 8));
}

static void emit(struct compiler *compiler, struct replay_op op)
{
    struct replay *replay = &compiler->replay;
    const bool frees = op.kind == REPLAY_FREE || op.kind == REPLAY_FREE_ALIGNED;
    if (frees || op.kind == REPLAY_REALLOC) {
        compiler->live_bytes -= compiler->sizes[op.slot];
        compiler->live_objects--;
        compiler->sizes[op.slot] = 0;
    }
    if (!frees) {
        compiler->sizes[op.slot] = op.size;
        compiler->aligns[op.slot] = op.kind == REPLAY_ALIGNED ? op.old_size : 0;
        compiler->live_bytes += op.size;
        compiler->live_objects++;
        if (op.size > replay->largest)
            replay->largest = op.size;
        if (compiler->live_objects > replay->peak_objects)
            replay->peak_objects = compiler->live_objects;
        if (compiler->live_bytes > replay->peak_bytes) {
            replay->peak_bytes = compiler->live_bytes;
            replay->peak_op = replay->count;
        }
    }
    find_lines(&op);
    fwrite(&op, sizeof op, 1, compiler->out);
    replay->count++;
}

static void emit_free(struct compiler *compiler, uint32_t slot)
{
    const uint32_t align = compiler->aligns[slot];
    emit(compiler, (struct replay_op){.kind = align ? REPLAY_FREE_ALIGNED : REPLAY_FREE,
                                      .slot = slot,
                                      .size = compiler->sizes[slot],
                                      .old_size = align});
}

static void emit_all_frees(struct compiler *compiler)
{
    for (uint32_t slot = 0; slot < compiler->replay.slots; slot++)
        if (compiler->sizes[slot] != 0)
            emit_free(compiler, slot);
}

static void compile_op(struct compiler *compiler, const struct trace_op *op)
{
    struct replay_op out = {.slot = op->slot, .size = (uint32_t)op->size};
    if (op->align > 4)
        out.old_size = UINT32_C(1) << op->align;
    switch (op->kind) {
    case TRACE_ALLOC:
        out.kind = op->align > 4 ? REPLAY_ALIGNED : REPLAY_ALLOC;
        emit(compiler, out);
        break;
    case TRACE_CALLOC:
        out.kind = op->align > 4 ? REPLAY_ALIGNED : REPLAY_ZEROED;
        emit(compiler, out);
        break;
    case TRACE_REALLOC:
        out.kind = REPLAY_REALLOC;
        if (compiler->aligns[op->slot] != 0) {
            emit_free(compiler, op->slot);
            out.kind = REPLAY_ALLOC;
        }
        out.old_size = compiler->sizes[op->slot];
        emit(compiler, out);
        break;
    case TRACE_FREE:
        emit_free(compiler, op->slot);
        break;
    case TRACE_RESET:
        emit_all_frees(compiler);
        break;
    default:
        compiler->replay.left_out++;
        break;
    }
}

static const struct trace_op *first_oversized(const struct trace *trace)
{
    for (size_t i = 0; i < trace->count; i++)
        if (trace->ops[i].kind <= TRACE_REALLOC && trace->ops[i].size > UINT32_MAX)
            return &trace->ops[i];
    return NULL;
}

/* The child: writes the leaf and the operations into the file. */
static int compile(const char *path, FILE *out, struct leaf *leaf)
{
    struct trace trace;
    struct trace_error error;
    struct compiler compiler = {.out = out};
    if (trace_read(path, &trace, &error) != 0) {
        snprintf(leaf->message, sizeof leaf->message, "%s", error.message);
        return -1;
    }
    const struct trace_op *large = first_oversized(&trace);
    if (large) {
        snprintf(leaf->message, sizeof leaf->message,
                 "operation %zu has an object of 4 GiB or more, which the player does not do",
                 (size_t)(large - trace.ops));
        return -1;
    }
    compiler.replay.slots = trace.slots;
    compiler.sizes = calloc(trace.slots + (size_t)1, sizeof *compiler.sizes);
    compiler.aligns = calloc(trace.slots + (size_t)1, sizeof *compiler.aligns);
    if (!compiler.sizes || !compiler.aligns) {
        free(compiler.sizes);
        free(compiler.aligns);
        snprintf(leaf->message, sizeof leaf->message, "out of memory");
        return -1;
    }
    for (size_t i = 0; i < trace.count; i++)
        compile_op(&compiler, &trace.ops[i]);
    compiler.replay.drain = compiler.replay.count;
    emit_all_frees(&compiler);
    leaf->replay = compiler.replay;
    free(compiler.sizes);
    free(compiler.aligns);
    trace_free(&trace);
    return 0;
}

static _Noreturn void child(const char *path, int fd)
{
    struct leaf leaf = {0};
    FILE *out = fdopen(fd, "w");
    if (!out || fseek(out, sizeof leaf, SEEK_SET) != 0)
        _exit(1);
    int result = compile(path, out, &leaf);
    if (result == 0 && fflush(out) != 0) {
        snprintf(leaf.message, sizeof leaf.message, "no memory for the compiled trace");
        result = -1;
    }
    if (pwrite(fd, &leaf, sizeof leaf, 0) != (ssize_t)sizeof leaf)
        _exit(1);
    _exit(result == 0 ? 0 : 2);
}

int replay_load(const char *path, struct replay *replay, char *message, size_t room)
{
    struct stat status;
    struct leaf leaf;
    int wait_status = -1;
    int fd = memfd_create("poolproof-replay", MFD_CLOEXEC);
    snprintf(message, room, "%s: cannot make room for it: %s", path, strerror(errno));
    if (fd < 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0)
        child(path, fd);
    if (pid < 0 || waitpid(pid, &wait_status, 0) != pid) {
        close(fd);
        return -1;
    }
    snprintf(message, room, "%s: reading it failed unexpectedly", path);
    if (pread(fd, &leaf, sizeof leaf, 0) != (ssize_t)sizeof leaf || fstat(fd, &status) != 0 ||
        wait_status != 0) {
        if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 2)
            snprintf(message, room, "%s: %s", path, leaf.message);
        close(fd);
        return -1;
    }
    *replay = leaf.replay;
    replay->memory_size = (size_t)status.st_size;
    replay->memory = mmap(NULL, replay->memory_size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
    close(fd);
    if (replay->memory == MAP_FAILED) {
        snprintf(message, room, "%s: cannot map it: %s", path, strerror(errno));
        return -1;
    }
    replay->ops = (const void *)((const char *)replay->memory + sizeof leaf);
    return 0;
}

void replay_drop(struct replay *replay)
{
    if (replay->memory)
        munmap(replay->memory, replay->memory_size);
    *replay = (struct replay){0};
}
