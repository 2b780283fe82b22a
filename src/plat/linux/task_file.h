/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RN_PLAT_LINUX_TASK_FILE_H
#define RN_PLAT_LINUX_TASK_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What stands in /proc/self/task/`id`/`what`, as a string. */
bool rn_task_file(uint32_t id, const char *what, char *buf, size_t n);

#endif
