/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REIN_CMD_PROGRESS_H
#define REIN_CMD_PROGRESS_H

struct run;

/* A rein_fn for a background child: keeps the status line up to date, if it is wanted, and collects processes that
 * jobs left to us and that have ended, until it is cancelled. */
int progress_run(void *run);
void progress_end(struct run *run); /* the last line; the job may never have begun */

#endif
