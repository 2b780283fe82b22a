/* SPDX-License-Identifier: Apache-2.0 */
/* One UDP socket and several peers: each is found by its host and port, and called until it has answered. An answer counts
 * by the address that it comes from; what a stranger sends is passed over. `udp_roll_call` does it on this machine, then a
 * thousand times in the simulator, whose network loses and doubles datagrams. */
#include <rein/rein.h>

#include <string.h>

enum { PEERS = 3 };

static const char *const names[PEERS] = {"anna", "ben", "carl"};

static int answer(void *arg)
{
        int fd = *(int *)arg;
        char text[16];
        rein_addr from;
        int64_t n;
        while ((n = rein_recvfrom(fd, text, sizeof text, &from, REIN_NEVER)) >= 0)
                if ((n = rein_sendto(fd, "here", 4, &from, REIN_NEVER)) < 0)
                        break;
        return (int)n; /* cancelled, as a rule */
}

static const char *port_of(int fd, char text[REIN_ADDR_TEXT])
{
        rein_addr at;
        return rein_addr_local(fd, &at) < 0 ? "" : strrchr(rein_addr_text(&at, text), ':') + 1;
}

/* Call those that have not answered every 50 ms, until all have. Returns how many strangers spoke. */
static int call_the_roll(int fd, const rein_addr peers[PEERS], bool here[PEERS], rein_time until)
{
        int missing = PEERS, strangers = 0;
        while (missing > 0) {
                int64_t n = 0;
                for (int i = 0; i < PEERS && n >= 0; i++)
                        if (!here[i])
                                n = rein_sendto(fd, names[i], strlen(names[i]), &peers[i], until);
                rein_time again = rein_after(REIN_MS(50));
                again = REIN_TIME(again.ns < until.ns ? again.ns : until.ns); /* the earlier of the two */
                while (n >= 0 && missing > 0) {
                        char text[16];
                        rein_addr from;
                        n = rein_recvfrom(fd, text, sizeof text, &from, again);
                        int i = 0;
                        while (n >= 0 && i < PEERS && !rein_addr_equal(&from, &peers[i]))
                                i++;
                        strangers += n >= 0 && i == PEERS;
                        if (n >= 0 && i < PEERS && !here[i]) { /* else it says so twice */
                                here[i] = true;
                                missing--;
                        }
                }
                if (n < 0 && (n != REIN_ETIMEOUT || rein_now().ns >= until.ns))
                        return (int)n;
        }
        return strangers;
}

static int meeting(void *arg)
{
        const bool tell = arg != NULL;
        int fds[PEERS + 1], rc = 0, chair = rein_udp_bind("127.0.0.1", "0");
        rein_addr peers[PEERS], at;
        bool here[PEERS] = {false};
        char text[REIN_ADDR_TEXT];
        rein_group g;
        rein_executor *pool = rein_pool_new(REIN_POOL(.threads = PEERS));
        rein_group_open(&g, NULL);
        for (int i = 0; i <= PEERS; i++) {
                fds[i] = rein_udp_bind("127.0.0.1", "0");
                if (i < PEERS && fds[i] >= 0)
                        rein_spawn(&g, pool, answer, &fds[i], REIN_JOB(.background = true));
        }
        for (int i = 0; i < PEERS && rc >= 0; i++)
                rc = rein_addr_find(chair, "127.0.0.1", port_of(fds[i], text), &peers[i], rein_after(REIN_SEC(5)));
        if (rc >= 0)
                rc = rein_addr_local(chair, &at);
        if (rc >= 0)
                rc = (int)rein_sendto(fds[PEERS], "me too", 6, &at, REIN_NOWAIT); /* the stranger */
        if (rc >= 0)
                rc = call_the_roll(chair, peers, here, rein_after(REIN_SEC(30)));
        for (int i = 0; tell && i < PEERS; i++)
                printf("%s: %s\n", names[i], here[i] ? "here" : "missing");
        if (tell && rc >= 0)
                printf("strangers: %d\n", rc);
        rc = rein_group_close(&g, rc < 0 ? rc : 0);
        rein_executor_free(pool);
        for (int i = 0; i <= PEERS; i++)
                rein_close(fds[i]);
        rein_close(chair);
        return rc;
}

int main(void)
{
        int rc = meeting("aloud");
        if (rc == 0)
                rc = rein_sim_explore(REIN_SIM(.name = "roll call", .faults = REIN_SIM_LOSS | REIN_SIM_TWICE), meeting,
                                      NULL);
        printf("in a thousand simulations: %s\n", rein_code_name(rc));
        return rc == 0 ? 0 : 1;
}
