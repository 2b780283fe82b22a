/* SPDX-License-Identifier: Apache-2.0 */
/* Questions and answers by UDP: asked again until the answer comes, within a deadline. `udp_ask` does it on this machine,
 * then a thousand times in the simulator, whose network loses, doubles and reorders datagrams. */
#include <rein/rein.h>

#include <ctype.h>
#include <errno.h>
#include <string.h>

static int serve(void *arg)
{
        char text[64];
        rein_addr from;
        for (;;) {
                int64_t n = rein_recvfrom(*(int *)arg, text, sizeof text, &from, REIN_NEVER);
                if (n == -EMSGSIZE)
                        continue; /* longer than any question: nobody of ours */
                if (n < 0)
                        return (int)n; /* cancelled, as a rule */
                for (int64_t i = 0; i < n; i++)
                        text[i] = (char)toupper((unsigned char)text[i]);
                if ((n = rein_sendto(*(int *)arg, text, (size_t)n, &from, REIN_NEVER)) < 0)
                        return (int)n;
        }
}

/* An answer to an earlier question may come late: it is not the one. */
static int ask(int fd, const char *question, char *answer, size_t room, rein_time until)
{
        for (;;) {
                int64_t n = rein_sendto(fd, question, strlen(question), NULL, until);
                rein_time again = rein_after(REIN_MS(50));
                while (n >= 0 && (n = rein_recvfrom(fd, answer, room - 1, NULL, again)) >= 0) {
                        answer[n] = 0;
                        if ((size_t)n == strlen(question) && toupper((unsigned char)question[0]) == answer[0])
                                return 0;
                }
                if (n != REIN_ETIMEOUT || rein_now().ns >= until.ns)
                        return (int)n;
        }
}

static int session(void *arg)
{
        const bool tell = arg != NULL;
        char text[REIN_ADDR_TEXT], answer[64];
        rein_addr at;
        rein_group g;
        int server = rein_udp_bind("127.0.0.1", "0");
        if (server < 0 || rein_addr_local(server, &at) < 0)
                return rein_fail(server, "no socket");
        int client = rein_udp_connect("127.0.0.1", strrchr(rein_addr_text(&at, text), ':') + 1, REIN_NEVER);
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = 1));
        rein_group_open(&g, REIN_GROUP(.policy = REIN_ALL));
        rein_spawn(&g, pool, serve, &server, REIN_JOB(.background = true)); /* until there are no more questions */
        int rc = client < 0 ? client : 0;
        static const char *const questions[] = {"first", "second", "third"};
        for (int i = 0; i < 3 && rc == 0; i++) {
                rc = ask(client, questions[i], answer, sizeof answer, rein_after(REIN_SEC(60)));
                if (tell && rc == 0)
                        printf("%s: %s\n", questions[i], answer);
        }
        rc = rein_group_close(&g, rc);
        rein_executor_free(pool);
        rein_close(client);
        rein_close(server);
        return rc;
}

int main(void)
{
        int rc = session("aloud");
        if (rc == 0)
                rc = rein_sim_explore(
                        REIN_SIM(.name = "ask", .faults = REIN_SIM_LOSS | REIN_SIM_TWICE | REIN_SIM_REORDER), session,
                        NULL);
        printf("in a thousand simulations: %s\n", rein_code_name(rc));
        return rc == 0 ? 0 : 1;
}
