/* SPDX-License-Identifier: Apache-2.0 */
/* A program of C that opens plugins, which may be of C++, and runs two coroutines of each on one loop. A plugin is told how to
 * let others run, and may do so inside of a catch block: the loop keeps the exceptions of each coroutine apart once it
 * knows the C++ runtime that came with the plugin. `plugin_host PLUGIN...`; a plugin has a function
 *
 *      extern "C" int plugin_main(int number, void (*let_others_run)(void));       // negative: it failed
 */
#include <rein/rein.h>

#include <dlfcn.h>
#include <errno.h>

enum { MOST = 16 };

typedef int (*plugin_main)(int number, void (*let_others_run)(void));

typedef struct run {
        plugin_main main;
        int number;
} run;

static void let_others_run(void)
{
        rein_sleep(REIN_NOWAIT);
}

static int run_one(void *arg)
{
        run *r = arg;
        int rc = r->main(r->number, let_others_run);
        return rc < 0 ? rein_fail(REIN_EUSER, "run %d failed with %d", r->number, rc) : rc;
}

/* What is opened stays open: the C++ runtime that a plugin brings along must not go while loops use it. */
static int open_plugin(const char *path, plugin_main *out)
{
        void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (!library)
                return rein_fail(-ENOENT, "%s", dlerror());
        void *(*globals)(void);
        *(void **)&globals =
                dlsym(library, "__cxa_get_globals"); /* as POSIX has it: a function by an object's pointer */
        *(void **)out = dlsym(library, "plugin_main");
        if (!*out)
                return rein_fail(-ENOENT, "%s is no plugin: it has no plugin_main", path);
        int rc = globals ? rein_loop_keep_exceptions(globals) : 0; /* a plugin of C has none */
        return rc < 0 ? rein_wrap(rc, "%s brings another C++ runtime than those before", path) : rc;
}

typedef struct plugins {
        int count;
        char **paths;
        plugin_main mains[MOST];
} plugins;

static int run_all(void *arg)
{
        const plugins *p = arg;
        rein_group g;
        rein_group_open(&g, NULL);
        for (int i = 0; i < p->count; i++)
                for (int n = 1; n <= 2; n++) {
                        run r = {p->mains[i], n};
                        rein_spawn(&g, NULL, run_one, REIN_COPY(r, .name = p->paths[i], .stack_size = 256 << 10));
                }
        return rein_group_close(&g, 0);
}

int main(int argc, char **argv)
{
        plugins p = {.count = argc - 1, .paths = argv + 1};
        int rc = 0;
        if (argc < 2 || p.count > MOST) {
                fprintf(stderr, "usage: plugin_host PLUGIN..., at most %d\n", MOST);
                return 2;
        }
        for (int i = 0; i < p.count && rc == 0; i++)
                rc = open_plugin(p.paths[i], &p.mains[i]); /* before there is a loop */
        if (rc == 0)
                rc = rein_run(run_all, &p, NULL);
        if (rc < 0)
                rein_error_print(stderr, rein_trail());
        else
                printf("plugins that ran twice: %d\n", p.count);
        return rc < 0;
}
