/* SPDX-License-Identifier: Apache-2.0 */
/* A program that knows nothing of rein: host PLUGIN TIMES FUNCTION N. It loads the plugin, calls FUNCTION, and closes it
 * again, so many times. Prints the last answer, and whether the plugin is still mapped after each close. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
        int answer = 0, mapped = 0;
        if (argc != 5)
                return 2;
        const int times = atoi(argv[2]);
        for (int i = 0; i < times; i++) {
                int (*run)(int);
                void *plugin = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
                void *found = plugin ? dlsym(plugin, argv[3]) : NULL;
                if (!found) {
                        fprintf(stderr, "%s\n", dlerror());
                        return 3;
                }
                memcpy(&run, &found, sizeof run);
                answer = run(atoi(argv[4]));
                if (dlclose(plugin) != 0)
                        return 4;
                plugin = dlopen(argv[1], RTLD_NOW | RTLD_NOLOAD);
                mapped += plugin != NULL;
                if (plugin)
                        dlclose(plugin);
        }
        printf("answer %d, mapped %d of %d\n", answer, mapped, times);
        return 0;
}
