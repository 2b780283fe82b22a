/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REIN_CMD_CPUS_H
#define REIN_CMD_CPUS_H

/* How many cpus this process may use: its affinity, and the quota of its control group (rounded up). At least 1. */
int cpus_granted(void);

#endif
