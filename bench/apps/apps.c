/* The table of apps, from the list in bench/meson.build. */
#include "app.h"
#include "settings.h"

#define APP(name) extern const struct app app_##name;
EACH_APP(APP)
#undef APP
#define APP(name) &app_##name,
const struct app *const apps[] = {EACH_APP(APP)};

const size_t app_count = sizeof apps / sizeof *apps;
const struct absent_app absent_apps[] = {ABSENT_APPS};
