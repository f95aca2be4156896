/* The baseline: as many libraries to load as every arm has, and the C library's allocator. */
extern const char trial_none;
const char trial_none = 0;
