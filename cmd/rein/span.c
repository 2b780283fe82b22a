/* SPDX-License-Identifier: Apache-2.0 */
#include "span.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Digits with at most one point among them: not strtod's signs, exponents, hex, infinities and locale.
 * Returns where the number ends, or NULL. */
static const char *span_number(const char *s, double *value)
{
        double sum = 0, place = 1;
        bool point = false, digits = false;
        for (; (*s >= '0' && *s <= '9') || (*s == '.' && !point); s++) {
                if (*s == '.') {
                        point = true;
                } else {
                        digits = true;
                        if (point)
                                sum += (place /= 10) * (*s - '0');
                        else
                                sum = sum * 10 + (*s - '0');
                }
        }
        *value = sum;
        return digits ? s : NULL;
}

bool span_parse(const char *s, int64_t *ns)
{
        static const struct {
                const char *name;
                double ns;
        } unit[] = {{"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
        double value;
        const char *rest = span_number(s, &value);
        for (size_t i = 0; rest && i < sizeof unit / sizeof *unit; i++) {
                if (strcmp(rest, unit[i].name) == 0) {
                        value = value * unit[i].ns + 0.5;
                        *ns = (int64_t)value;
                        return value < 1e18; /* thirty years */
                }
        }
        return false;
}

bool size_parse(const char *s, uint64_t *bytes)
{
        double value;
        const char *rest = span_number(s, &value);
        if (!rest)
                return false;
        const char *units = "KMGT", *unit = *rest ? strchr(units, *rest) : NULL;
        if (unit) {
                for (const char *u = units; u <= unit; u++)
                        value *= 1024;
                rest++;
                if (strcmp(rest, "iB") == 0)
                        rest++;
        }
        *bytes = value < 1e18 ? (uint64_t)value : 0;
        return value < 1e18 && (*rest == '\0' || strcmp(rest, "B") == 0);
}

bool count_parse(const char *s, long least, long most, long *n)
{
        char *end;
        errno = 0;
        *n = strtol(s, &end, 10);
        return *s >= '0' && *s <= '9' && *end == '\0' && errno == 0 && *n >= least && *n <= most;
}

void span_text(char to[32], int64_t ns)
{
        double s = (double)ns / 1e9;
        if (s < 1)
                snprintf(to, 32, "%.4gms", s * 1e3);
        else if (s < 60)
                snprintf(to, 32, "%.3gs", s);
        else if (s < 3600)
                snprintf(to, 32, "%.3gm", s / 60);
        else
                snprintf(to, 32, "%.3gh", s / 3600);
}
