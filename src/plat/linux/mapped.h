/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RN_PLAT_LINUX_MAPPED_H
#define RN_PLAT_LINUX_MAPPED_H

/* The object that this code is in is not unmapped any more. No lock of rein's may be held: it may wait for the loader's, as
 * long as a dlopen of another thread takes. */
void rn_stay_mapped(void);

#endif
