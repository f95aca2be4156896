/* Lua 5.4, with the arm for its allocator: the interpreter hands every size back. */
#include "app.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include <stdio.h>

struct memory {
    const struct arm *arm;
    void *heap;
};

/* lua_Alloc. Of a new object Lua passes its kind where the old size would be. */
static void *resize(void *data, void *ptr, size_t old_size, size_t new_size)
{
    const struct memory *memory = data;
    return memory->arm->resize(memory->heap, ptr, ptr ? old_size : 0, new_size);
}

/* Takes the place of print: the script's output is what is checked. */
static int print(lua_State *lua)
{
    uint64_t *sum = lua_touserdata(lua, lua_upvalueindex(1));
    for (int i = 1; i <= lua_gettop(lua); i++) {
        size_t size;
        const char *text = luaL_tolstring(lua, i, &size);
        *sum = app_checksum(*sum, text, size + 1);
        lua_pop(lua, 1);
    }
    return 0;
}

static int run(const struct arm *arm, void *heap, const char *script, uint64_t *checksum,
               char *message, size_t room)
{
    struct memory memory = {arm, heap};
    lua_State *lua = lua_newstate(resize, &memory);
    if (!lua) {
        snprintf(message, room, "%s has no memory left for Lua", arm->allocator->name);
        return -1;
    }
    *checksum = APP_CHECKSUM;
    luaL_openlibs(lua);
    lua_pushlightuserdata(lua, checksum);
    lua_pushcclosure(lua, print, 1);
    lua_setglobal(lua, "print");
    const int failed = luaL_dofile(lua, script);
    if (failed)
        snprintf(message, room, "%s", lua_tostring(lua, -1));
    lua_close(lua);
    return failed ? -1 : 0;
}

const struct app app_lua;
const struct app app_lua = {
    .name = "lua",
    .question = "How long does a Lua program take, every object of its interpreter on the arm?",
    .source = "Lua 5.4, lua_newstate with an allocator of one's own",
    .parameters = "none: bench/traces/lua.lua, once",
    .needs = {.live_bytes = 32 << 20, .objects = 400000, .largest = 4 << 20},
    .script = "lua.lua",
    .run = run,
};
