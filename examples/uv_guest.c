/* SPDX-License-Identifier: Apache-2.0 */
/* rein inside of a program that has a loop already, libuv's, which turns it by rein/uv.h. On one thread, over loopback, a
 * coroutine that blocks in plain calls talks to a uv_tcp_t with callbacks; meanwhile the uv program's own timer ticks.
 * When no coroutine is left, uv's loop ends by itself. */
#include <rein/rein.h>
#include <rein/uv.h>

#include <stdlib.h>
#include <string.h>
#include <uv.h>

static uv_loop_t *uv;
static uv_tcp_t server, peer;
static uv_timer_t timer;
static int ticks;

static void tick(uv_timer_t *t)
{
        ticks += t == &timer;
}

static void room(uv_handle_t *h, size_t wanted, uv_buf_t *buf)
{
        static char bytes[64];
        (void)h, (void)wanted;
        *buf = uv_buf_init(bytes, sizeof bytes);
}

static void echo(uv_stream_t *from, ssize_t n, const uv_buf_t *buf)
{
        uv_buf_t back = uv_buf_init(buf->base, n > 0 ? (unsigned)n : 0);
        if (n > 0)
                uv_try_write(from, &back, 1); /* a few bytes always fit */
        else if (n < 0)
                uv_close((uv_handle_t *)from, NULL);
}

static void connected(uv_stream_t *listener, int status)
{
        if (status < 0 || uv_tcp_init(uv, &peer) < 0 || uv_accept(listener, (uv_stream_t *)&peer) < 0)
                abort();
        uv_read_start((uv_stream_t *)&peer, room, echo);
}

static int talk(void *port)
{
        char text[64], back[64];
        int fd = rein_connect("127.0.0.1", port, rein_after(REIN_SEC(5)));
        if (fd < 0)
                return fd;
        for (int i = 1; i <= 3; i++) {
                int64_t n = snprintf(text, sizeof text, "hello %d", i);
                int rc = rein_sleep(rein_after(REIN_MS(5)));
                if (rc < 0 || rein_write(fd, text, (size_t)n, rein_after(REIN_SEC(5))) < 0)
                        break;
                if (rein_read(fd, back, sizeof back, rein_after(REIN_SEC(5))) != n ||
                    memcmp(text, back, (size_t)n) != 0)
                        break;
                printf("the coroutine heard: %s\n", text);
        }
        return rein_close(fd);
}

static void turned(rein_uv *guest, int left)
{
        if (left > 0)
                return;
        rein_uv_detach(guest, NULL); /* nobody is left: nothing keeps uv's loop any more */
        uv_close((uv_handle_t *)&server, NULL);
        uv_close((uv_handle_t *)&timer, NULL);
}

int main(void)
{
        struct sockaddr_in at;
        int length = sizeof at;
        char port[16];
        rein_uv guest;
        uv = uv_default_loop();
        uv_ip4_addr("127.0.0.1", 0, &at);
        uv_tcp_init(uv, &server);
        uv_tcp_bind(&server, (struct sockaddr *)&at, 0);
        if (uv_listen((uv_stream_t *)&server, 8, connected) < 0)
                return 1;
        uv_tcp_getsockname(&server, (struct sockaddr *)&at, &length);
        snprintf(port, sizeof port, "%d", ntohs(at.sin_port));
        uv_timer_init(uv, &timer);
        uv_timer_start(&timer, tick, 1, 1);

        rein_executor *loop = rein_loop_new(REIN_LOOP(.name = "guest", .hosted = true));
        if (!loop || rein_uv_attach(&guest, uv, loop, turned) < 0)
                return 1;
        rein_future *f = rein_submit(loop, talk, port, NULL);
        uv_run(uv, UV_RUN_DEFAULT);

        printf("the coroutine: %s; uv's timer ticked: %s\n", rein_code_name(rein_code(f)), ticks ? "yes" : "no");
        bool well = rein_code(f) == 0 && ticks;
        rein_drop(f);
        rein_executor_free(loop);
        return uv_loop_close(uv) == 0 && well ? 0 : 1;
}
