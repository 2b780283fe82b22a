/* SPDX-License-Identifier: Apache-2.0 */
#include "rein/time.h"

#include "plat/plat.h"

rein_time rein_now(void)
{
        return REIN_TIME(rn_clock());
}

rein_time rein_after(int64_t span_ns)
{
        int64_t now = rn_clock();
        if (span_ns > 0 && now > INT64_MAX - span_ns)
                return REIN_NEVER;
        if (span_ns < 0 && now < INT64_MIN - span_ns)
                return REIN_NOWAIT;
        return REIN_TIME(now + span_ns);
}

const char *rein_version(void)
{
        return REIN_VERSION;
}
