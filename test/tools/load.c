/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Load for a TLS server on 127.0.0.1: many clients in one thread, each
 * connection a full handshake (nothing is resumed), some of them leaving in
 * the middle of it. usage() tells the options; the result is one line of
 * NAME=VALUE pairs on standard output. The exit status is 0 when there were
 * handshakes, and each connection that did not mean to leave went well.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX 4096
#define SAMPLES_MAX (1u << 20)
#define PATIENCE_US 20000000u /* for a connection as a whole */

static struct {
    int port, version;
    unsigned clients, abort_percent, count;
    double seconds;
    const char *cipher, *path;
    uint8_t *body; /* what a GET must answer */
    size_t body_len;
} opt = {.clients = 64, .seconds = 5, .count = UINT32_MAX};

/* Where a connection that is to leave does so, a random while after. */
enum leave { STAY, LEAVE_CONNECTED, LEAVE_IN_HELLO, LEAVE_AFTER_HELLO, LEAVE_AFTER_FINISHED };

enum state { UNUSED, CONNECTING, SHAKING, REQUESTING, ANSWERING, LEAVING };

struct conn {
    enum state state;
    enum leave leave;
    int fd;
    SSL *ssl;
    uint64_t begun, leave_at;
    uint64_t hello; /* bytes of the first flight */
    size_t head;    /* bytes of the answer's header seen, HEAD_DONE after it */
    size_t got;     /* bytes of its body */
};
#define HEAD_DONE SIZE_MAX

static struct conn conns[CLIENTS_MAX];
static struct {
    unsigned started, handshakes, failed, left, busy;
    uint32_t *samples; /* microseconds from connect to the end of the handshake */
} sum;
static SSL_CTX *ctx;
static int ep;

static uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static unsigned below(unsigned limit)
{
    return (unsigned)(random() % limit);
}

/* ---- the end of a connection ---- */

static void conn_end(struct conn *c)
{
    SSL_free(c->ssl);
    close(c->fd);
    *c = (struct conn){.state = UNUSED};
    sum.busy--;
}

static void conn_failed(struct conn *c, const char *what)
{
    unsigned long e = ERR_peek_error();

    if (c->leave != STAY) {
        sum.left++;
    } else if (sum.failed++ < 10) {
        fprintf(stderr, "failed: %s%s%s\n", what, e == 0 ? "" : ": ",
                e == 0 ? "" : ERR_reason_error_string(e));
    }
    conn_end(c);
}

/* Half of those who leave do so without a word. */
static void conn_leave(struct conn *c)
{
    struct linger reset = {.l_onoff = 1, .l_linger = 0};

    if (below(2) == 0) {
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    }
    sum.left++;
    conn_end(c);
}

static void conn_leave_soon(struct conn *c)
{
    c->state = LEAVING;
    c->leave_at = now_us() + (below(4) == 0 ? 0 : below(4000));
}

static void conn_good(struct conn *c)
{
    SSL_shutdown(c->ssl);
    conn_end(c);
}

/* ---- its way there ---- */

/* From one of many source addresses: one alone runs out of ports. */
static int conn_socket(void)
{
    struct sockaddr_in source = {.sin_family = AF_INET},
                       server = {.sin_family = AF_INET, .sin_port = htons((uint16_t)opt.port)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        return -1;
    }
    source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + sum.started % 200);
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&source, sizeof(source)) != 0 ||
        (connect(fd, (struct sockaddr *)&server, sizeof(server)) != 0 && errno != EINPROGRESS)) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool conn_start(struct conn *c)
{
    struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
    int fd = conn_socket();

    if (fd < 0) {
        return false;
    }
    *c = (struct conn){.state = CONNECTING, .fd = fd, .begun = now_us(), .ssl = SSL_new(ctx)};
    if (c->ssl == NULL || SSL_set_fd(c->ssl, fd) != 1 ||
        epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) != 0) {
        SSL_free(c->ssl);
        close(fd);
        c->state = UNUSED;
        return false;
    }
    SSL_set_connect_state(c->ssl);
    if (below(100) < opt.abort_percent) {
        c->leave = (enum leave)(LEAVE_CONNECTED + below(4));
    }
    sum.started++;
    sum.busy++;
    return true;
}

static void send_half_hello(struct conn *c)
{
    BIO *mem = BIO_new(BIO_s_mem());
    char *hello;
    long len;

    if (mem == NULL) {
        return;
    }
    SSL_set0_wbio(c->ssl, mem);
    SSL_do_handshake(c->ssl);
    len = BIO_get_mem_data(mem, &hello);
    if (len > 1 && write(c->fd, hello, (size_t)len / 2) < 0) {
        return;
    }
}

static void after_handshake(struct conn *c)
{
    uint64_t took = now_us() - c->begun;

    if (sum.handshakes < SAMPLES_MAX) {
        sum.samples[sum.handshakes] = (uint32_t)took;
    }
    sum.handshakes++;
    if (opt.path == NULL) {
        conn_good(c);
    } else {
        c->state = REQUESTING;
    }
}

/* True: go on. False: wait for the socket, or the connection has ended. */
static bool waits(struct conn *c, int r, const char *what)
{
    switch (SSL_get_error(c->ssl, r)) {
    case SSL_ERROR_NONE: return true;
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: return false;
    default: conn_failed(c, what); return false;
    }
}

static bool step_shaking(struct conn *c)
{
    int r = SSL_do_handshake(c->ssl);
    uint64_t written = BIO_number_written(SSL_get_wbio(c->ssl));

    if (c->hello == 0) {
        c->hello = written;
    }
    if ((c->leave == LEAVE_AFTER_HELLO && c->hello > 0) ||
        (c->leave == LEAVE_AFTER_FINISHED && written > c->hello)) {
        conn_leave_soon(c);
        return false;
    }
    if (!waits(c, r, "handshake")) {
        return false;
    }
    after_handshake(c);
    return c->state == REQUESTING;
}

static bool step_requesting(struct conn *c)
{
    char request[512];
    int len =
        snprintf(request, sizeof(request), "GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n", opt.path);

    if (!waits(c, SSL_write(c->ssl, request, len), "request")) {
        return false;
    }
    c->state = ANSWERING;
    return true;
}

/* Counts through the empty line that ends the header, then compares. */
static bool take_answer(struct conn *c, const uint8_t *buf, size_t len)
{
    static const char end[] = "\r\n\r\n";

    while (len > 0 && c->head != HEAD_DONE) {
        c->head = *buf == (uint8_t)end[c->head] ? c->head + 1 : *buf == '\r';
        c->head = c->head == 4 ? HEAD_DONE : c->head;
        buf++;
        len--;
    }
    if (len > opt.body_len - c->got || memcmp(buf, opt.body + c->got, len) != 0) {
        return false;
    }
    c->got += len;
    return true;
}

static bool step_answering(struct conn *c)
{
    uint8_t buf[16384];
    int r = SSL_read(c->ssl, buf, sizeof(buf));

    if (r > 0) {
        if (!take_answer(c, buf, (size_t)r)) {
            conn_failed(c, "another answer than expected");
            return false;
        }
        return true;
    }
    if (SSL_get_error(c->ssl, r) == SSL_ERROR_ZERO_RETURN) {
        if (c->head == HEAD_DONE && c->got == opt.body_len) {
            conn_good(c);
        } else {
            conn_failed(c, "the answer is cut short");
        }
        return false;
    }
    return waits(c, r, "answer");
}

static void conn_step(struct conn *c)
{
    bool on = true;

    while (on) {
        ERR_clear_error();
        switch (c->state) {
        case SHAKING: on = step_shaking(c); break;
        case REQUESTING: on = step_requesting(c); break;
        case ANSWERING: on = step_answering(c); break;
        default: on = false;
        }
    }
}

static void conn_event(struct conn *c, uint32_t events)
{
    if (c->state == CONNECTING && (events & EPOLLOUT) != 0) {
        c->state = SHAKING;
        if (c->leave == LEAVE_CONNECTED || c->leave == LEAVE_IN_HELLO) {
            if (c->leave == LEAVE_IN_HELLO) {
                send_half_hello(c);
            }
            conn_leave_soon(c);
        }
    }
    if (c->state == CONNECTING && (events & (EPOLLERR | EPOLLHUP)) != 0) {
        conn_failed(c, "connect");
        return;
    }
    conn_step(c);
}

/* ---- all of them ---- */

/* Starts what is missing, ends what is due; false when all is over. */
static bool tend(uint64_t end)
{
    uint64_t now = now_us();

    for (unsigned i = 0; i < opt.clients; i++) {
        struct conn *c = &conns[i];

        if (c->state == UNUSED) {
            if (now < end && sum.started < opt.count && !conn_start(c)) {
                sum.started++;
                if (sum.failed++ < 10) {
                    perror("failed: connect");
                }
            }
        } else if (c->state == LEAVING && now >= c->leave_at) {
            conn_leave(c);
        } else if (now - c->begun > PATIENCE_US) {
            conn_failed(c, "no end in sight");
        }
    }
    return sum.busy > 0 || (now < end && sum.started < opt.count);
}

static void run(void)
{
    uint64_t end = now_us() + (uint64_t)(opt.seconds * 1e6);
    struct epoll_event events[256];

    while (tend(end)) {
        int n = epoll_wait(ep, events, 256, opt.abort_percent > 0 ? 1 : 10);

        for (int i = 0; i < n; i++) {
            struct conn *c = events[i].data.ptr;

            if (c->state != UNUSED && c->state != LEAVING) {
                conn_event(c, events[i].events);
            }
        }
    }
}

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void report(double seconds)
{
    size_t n = sum.handshakes < SAMPLES_MAX ? sum.handshakes : SAMPLES_MAX;
    struct rusage usage;

    qsort(sum.samples, n, sizeof(sum.samples[0]), ascending);
    getrusage(RUSAGE_SELF, &usage);
    printf("handshakes=%u failed=%u left=%u seconds=%.3f rate=%.1f p50_us=%u p99_us=%u "
           "client_cpu_ms=%ld\n",
           sum.handshakes, sum.failed, sum.left, seconds, sum.handshakes / seconds,
           n == 0 ? 0 : sum.samples[n / 2], n == 0 ? 0 : sum.samples[n - 1 - n / 100],
           (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
               (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000);
}

/* ---- options ---- */

static void usage(void)
{
    fputs("load --port N [--clients N] [--seconds N] [--count N] [--tls 1.2|1.3] [--cipher LIST]\n"
          "     [--abort PERCENT] [--get PATH --body FILE] [--seed N]\n"
          "--count ends it after so many connections, --abort lets some leave in the middle of\n"
          "the handshake, --get asks for PATH and wants FILE for an answer.\n",
          stderr);
    exit(2);
}

static void read_body(const char *name)
{
    FILE *f = fopen(name, "rb");
    long len;

    if (f == NULL || fseek(f, 0, SEEK_END) != 0 || (len = ftell(f)) < 0) {
        perror(name);
        exit(2);
    }
    rewind(f);
    opt.body = malloc((size_t)len + 1);
    if (opt.body == NULL || fread(opt.body, 1, (size_t)len, f) != (size_t)len) {
        fprintf(stderr, "%s: cannot be read\n", name);
        exit(2);
    }
    opt.body_len = (size_t)len;
    fclose(f);
}

static void set_option(int which)
{
    switch (which) {
    case 'p': opt.port = atoi(optarg); break;
    case 'c': opt.clients = (unsigned)atoi(optarg); break;
    case 's': opt.seconds = atof(optarg); break;
    case 'n': opt.count = (unsigned)atoi(optarg); break;
    case 't': opt.version = strcmp(optarg, "1.3") == 0 ? TLS1_3_VERSION : TLS1_2_VERSION; break;
    case 'C': opt.cipher = optarg; break;
    case 'a': opt.abort_percent = (unsigned)atoi(optarg); break;
    case 'g': opt.path = optarg; break;
    case 'b': read_body(optarg); break;
    case 'S': srandom((unsigned)atoi(optarg)); break;
    default: usage();
    }
}

static void read_options(int argc, char **argv)
{
    static const struct option options[] = {
        {"port", 1, NULL, 'p'},  {"clients", 1, NULL, 'c'}, {"seconds", 1, NULL, 's'},
        {"count", 1, NULL, 'n'}, {"tls", 1, NULL, 't'},     {"cipher", 1, NULL, 'C'},
        {"abort", 1, NULL, 'a'}, {"get", 1, NULL, 'g'},     {"body", 1, NULL, 'b'},
        {"seed", 1, NULL, 'S'},  {NULL, 0, NULL, 0},
    };
    int which;

    while ((which = getopt_long(argc, argv, "", options, NULL)) != -1) {
        set_option(which);
    }
    if (optind != argc || opt.port <= 0 || opt.port > 65535 || opt.clients == 0 ||
        opt.clients > CLIENTS_MAX || opt.seconds <= 0 || opt.abort_percent > 100 ||
        (opt.path != NULL) != (opt.body != NULL)) {
        usage();
    }
}

static bool prepare(void)
{
    int version = opt.version == 0 ? TLS1_2_VERSION : opt.version;

    sum.samples = malloc(SAMPLES_MAX * sizeof(sum.samples[0]));
    ep = epoll_create1(EPOLL_CLOEXEC);
    ctx = SSL_CTX_new(TLS_client_method());
    if (sum.samples == NULL || ep < 0 || ctx == NULL) {
        return false;
    }
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    return SSL_CTX_set_min_proto_version(ctx, version) == 1 &&
           SSL_CTX_set_max_proto_version(ctx, version) == 1 &&
           (opt.cipher == NULL || version == TLS1_3_VERSION
                ? opt.cipher == NULL || SSL_CTX_set_ciphersuites(ctx, opt.cipher) == 1
                : SSL_CTX_set_cipher_list(ctx, opt.cipher) == 1);
}

int main(int argc, char **argv)
{
    uint64_t begun;

    read_options(argc, argv);
    if (!prepare()) {
        ERR_print_errors_fp(stderr);
        return 2;
    }
    begun = now_us();
    run();
    report((double)(now_us() - begun) / 1e6);
    SSL_CTX_free(ctx);
    free(sum.samples);
    free(opt.body);
    return sum.failed == 0 && sum.handshakes > 0 ? 0 : 1;
}
