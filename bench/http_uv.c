/* SPDX-License-Identifier: Apache-2.0 */
/* The fast and the stuck route of examples/http_service.c on plain libuv: one loop, its one thread pool, http_parser.
 * For comparison under load, so without that one's limits, deadlines and drain. usage: http_uv PORT [THREADS] */
#include <http_parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

typedef struct client {
        uv_tcp_t tcp;
        uv_work_t work;
        uv_write_t write;
        http_parser parser;
        char in[4096], url[256], body[256], out[768];
        size_t url_length;
} client;

static void gone(uv_handle_t *h)
{
        free(h->data);
}

static void hang_up(client *c)
{
        if (!uv_is_closing((uv_handle_t *)&c->tcp))
                uv_close((uv_handle_t *)&c->tcp, gone);
}

static int on_begin(http_parser *p)
{
        client *c = p->data;

        c->url_length = 0;
        return 0;
}

static int on_url(http_parser *p, const char *at, size_t n)
{
        client *c = p->data;

        if (n >= sizeof c->url - c->url_length)
                return -1;
        memcpy(c->url + c->url_length, at, n);
        c->url[c->url_length += n] = '\0';
        return 0;
}

static void work(uv_work_t *w)
{
        client *c = w->data;
        unsigned hash = 5381;

        while (strcmp(c->url, "/stuck") == 0)
                sleep(1000);
        for (const char *q = strchr(c->url, '?'); q && *q; q++)
                hash = hash * 33 + (unsigned char)*q;
        snprintf(c->body, sizeof c->body, "fast %u\n", hash);
}

static void room(uv_handle_t *h, size_t wanted, uv_buf_t *buf)
{
        client *c = h->data;

        (void)wanted;
        *buf = uv_buf_init(c->in, sizeof c->in);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf);

static void written(uv_write_t *w, int status)
{
        client *c = w->data;

        if (status < 0)
                hang_up(c);
        else
                uv_read_start((uv_stream_t *)&c->tcp, room, on_read);
}

static void worked(uv_work_t *w, int status)
{
        client *c = w->data;
        uv_buf_t buf = {.base = c->out};

        (void)status;
        buf.len = (size_t)snprintf(c->out, sizeof c->out,
                                   "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
                                   "Connection: keep-alive\r\n\r\n%s",
                                   strlen(c->body), c->body);
        uv_write(&c->write, (uv_stream_t *)&c->tcp, &buf, 1, written);
}

static int on_whole(http_parser *p)
{
        client *c = p->data;

        uv_read_stop((uv_stream_t *)&c->tcp);
        uv_queue_work(c->tcp.loop, &c->work, work, worked);
        return 0;
}

static const http_parser_settings settings = {
        .on_message_begin = on_begin, .on_url = on_url, .on_message_complete = on_whole};

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
        client *c = s->data;

        if (n < 0 || http_parser_execute(&c->parser, &settings, buf->base, (size_t)n) != (size_t)n)
                hang_up(c);
}

static void connected(uv_stream_t *listener, int status)
{
        client *c = calloc(1, sizeof *c);

        if (status < 0 || !c)
                abort();
        http_parser_init(&c->parser, HTTP_REQUEST);
        c->tcp.data = c->work.data = c->write.data = c->parser.data = c;
        uv_tcp_init(listener->loop, &c->tcp);
        uv_accept(listener, (uv_stream_t *)&c->tcp);
        c->tcp.data = c;
        uv_read_start((uv_stream_t *)&c->tcp, room, on_read);
}

int main(int argc, char **argv)
{
        uv_loop_t *loop = uv_default_loop();
        uv_tcp_t server;
        struct sockaddr_in at;

        setenv("UV_THREADPOOL_SIZE", argc > 2 ? argv[2] : "4", 1);
        uv_ip4_addr("127.0.0.1", argc > 1 ? atoi(argv[1]) : 8080, &at);
        uv_tcp_init(loop, &server);
        uv_tcp_bind(&server, (struct sockaddr *)&at, 0);
        if (uv_listen((uv_stream_t *)&server, 511, connected) < 0)
                return 1;
        return uv_run(loop, UV_RUN_DEFAULT);
}
