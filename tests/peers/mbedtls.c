/* One end of one DTLS 1.2 session by Mbed TLS, with connection IDs, for tests of interoperability.
 *
 *   mbedtls-peer client PORT CID      to 127.0.0.1:PORT; CID in hexadecimal, "-" for none, "off" for no extension
 *   mbedtls-peer server 0 CID         says "PORT n"
 *
 * What it is told, a line each: "send TEXT", "rebind" (a client: from now on by another socket), "close".
 * What it says, a line each: "CONNECTED own=CID peer=CID", "READ TEXT", "CLOSED", "FAILED -0x...".
 *
 * The key and the identity are those of the test. A server sends to where the last record came from that was authentic
 * and application data: the library leaves that to its caller. */

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mbedtls/ctr_drbg.h"
#include "mbedtls/entropy.h"
#include "mbedtls/ssl.h"
#include "mbedtls/ssl_cookie.h"
#include "mbedtls/timing.h"
#include "psa/crypto.h"

static const unsigned char KEY[16] = "0123456789abcdef";
static const char IDENTITY[] = "roamer";
static const int SUITES[] = {MBEDTLS_TLS_PSK_WITH_AES_128_GCM_SHA256, 0};
enum { SECONDS_MAX = 60, DATAGRAM_MAX = 65536 };

static int udp = -1;
/* Where the other end is, and where the last datagram came from. */
static struct sockaddr_in peer, source;

static int say(const char *words) {
    printf("%s\n", words);
    return fflush(stdout);
}

static void fail(int code) {
    printf("FAILED -0x%x\n", (unsigned) -code);
    fflush(stdout);
    exit(1);
}

static int open_socket(int port) {
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_port = htons((uint16_t) port)};
    local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *) &local, sizeof local) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
        perror("socket");
        exit(1);
    }
    return fd;
}

static int to_network(void *context, const unsigned char *bytes, size_t len) {
    (void) context;
    ssize_t sent = sendto(udp, bytes, len, 0, (struct sockaddr *) &peer, sizeof peer);
    /* As on any network, what cannot be delivered is lost. */
    return sent < 0 ? (int) len : (int) sent;
}

static int from_network(void *context, unsigned char *bytes, size_t len) {
    (void) context;
    socklen_t size = sizeof source;
    ssize_t got = recvfrom(udp, bytes, len, 0, (struct sockaddr *) &source, &size);
    return got < 0 ? MBEDTLS_ERR_SSL_WANT_READ : (int) got;
}

/* Waits for a datagram, or a line, or the next look at the timers. */
static void wait_a_little(int with_lines) {
    struct timeval glance = {.tv_sec = 0, .tv_usec = 20000};
    fd_set readable;
    FD_ZERO(&readable);
    FD_SET(udp, &readable);
    if (with_lines) FD_SET(STDIN_FILENO, &readable);
    select(udp + 1, &readable, NULL, NULL, &glance);
}

static size_t from_hex(const char *words, unsigned char *bytes) {
    size_t len = strlen(words) / 2;
    for (size_t i = 0; i < len; i++) {
        unsigned byte;
        if (sscanf(words + 2 * i, "%2x", &byte) != 1) exit(2);
        bytes[i] = (unsigned char) byte;
    }
    return len;
}

static void print_id(const char *name, int enabled, const unsigned char *id, size_t len) {
    printf(" %s=", name);
    if (!enabled) printf("off");
    else if (len == 0) printf("-");
    for (size_t i = 0; enabled && i < len; i++) printf("%02x", id[i]);
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    alarm(SECONDS_MAX);
    int is_server = strcmp(argv[1], "server") == 0;
    mbedtls_ssl_context ssl;
    mbedtls_ssl_config config;
    mbedtls_ssl_cookie_ctx cookies;
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context random;
    mbedtls_timing_delay_context timer;
    mbedtls_ssl_init(&ssl);
    mbedtls_ssl_config_init(&config);
    mbedtls_ssl_cookie_init(&cookies);
    mbedtls_entropy_init(&entropy);
    mbedtls_ctr_drbg_init(&random);
    psa_crypto_init();

    unsigned char own[255];
    int speaks_of_ids = strcmp(argv[3], "off") != 0;
    size_t own_len = speaks_of_ids && strcmp(argv[3], "-") != 0 ? from_hex(argv[3], own) : 0;
    int code = mbedtls_ctr_drbg_seed(&random, mbedtls_entropy_func, &entropy, NULL, 0);
    if (code == 0)
        code = mbedtls_ssl_config_defaults(&config, is_server ? MBEDTLS_SSL_IS_SERVER : MBEDTLS_SSL_IS_CLIENT,
                                           MBEDTLS_SSL_TRANSPORT_DATAGRAM, MBEDTLS_SSL_PRESET_DEFAULT);
    if (code != 0) fail(code);
    mbedtls_ssl_conf_rng(&config, mbedtls_ctr_drbg_random, &random);
    mbedtls_ssl_conf_ciphersuites(&config, SUITES);
    code = mbedtls_ssl_conf_psk(&config, KEY, sizeof KEY, (const unsigned char *) IDENTITY, strlen(IDENTITY));
    if (code == 0) code = mbedtls_ssl_conf_cid(&config, own_len, MBEDTLS_SSL_UNEXPECTED_CID_IGNORE);
    if (code == 0 && is_server) {
        code = mbedtls_ssl_cookie_setup(&cookies, mbedtls_ctr_drbg_random, &random);
        mbedtls_ssl_conf_dtls_cookies(&config, mbedtls_ssl_cookie_write, mbedtls_ssl_cookie_check, &cookies);
    }
    if (code == 0) code = mbedtls_ssl_setup(&ssl, &config);
    if (code != 0) fail(code);
    mbedtls_ssl_set_timer_cb(&ssl, &timer, mbedtls_timing_set_delay, mbedtls_timing_get_delay);
    mbedtls_ssl_set_bio(&ssl, NULL, to_network, from_network, NULL);

    udp = open_socket(0);
    peer = (struct sockaddr_in) {.sin_family = AF_INET, .sin_port = htons((uint16_t) atoi(argv[2]))};
    peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (is_server) {
        struct sockaddr_in local;
        socklen_t size = sizeof local;
        getsockname(udp, (struct sockaddr *) &local, &size);
        printf("PORT %u\n", (unsigned) ntohs(local.sin_port));
        fflush(stdout);
        /* A cookie is for an address, so the first datagram is looked at before it is read. */
        ssize_t got;
        do {
            wait_a_little(0);
            unsigned char byte;
            size = sizeof peer;
            got = recvfrom(udp, &byte, 1, MSG_PEEK, (struct sockaddr *) &peer, &size);
        } while (got < 0);
    }
    do {
        code = mbedtls_ssl_session_reset(&ssl);
        if (code == 0 && is_server)
            code = mbedtls_ssl_set_client_transport_id(&ssl, (unsigned char *) &peer.sin_port, sizeof peer.sin_port);
        if (code == 0 && speaks_of_ids) code = mbedtls_ssl_set_cid(&ssl, MBEDTLS_SSL_CID_ENABLED, own, own_len);
        if (code != 0) fail(code);
        while ((code = mbedtls_ssl_handshake(&ssl)) == MBEDTLS_ERR_SSL_WANT_READ || code == MBEDTLS_ERR_SSL_WANT_WRITE)
            wait_a_little(0);
    } while (code == MBEDTLS_ERR_SSL_HELLO_VERIFY_REQUIRED);
    if (code != 0) fail(code);

    int enabled;
    unsigned char theirs[255];
    size_t theirs_len = 0;
    mbedtls_ssl_get_peer_cid(&ssl, &enabled, theirs, &theirs_len);
    printf("CONNECTED");
    print_id("own", enabled, own, own_len);
    print_id("peer", enabled, theirs, theirs_len);
    say("");

    fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
    char line[1024];
    size_t filled = 0;
    static unsigned char data[DATAGRAM_MAX];
    for (;;) {
        while ((code = mbedtls_ssl_read(&ssl, data, sizeof data - 1)) > 0) {
            if (is_server) peer = source;
            data[code] = 0;
            printf("READ %s\n", (char *) data);
            fflush(stdout);
        }
        if (code == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) {
            mbedtls_ssl_close_notify(&ssl);
            return say("CLOSED");
        }
        if (code != MBEDTLS_ERR_SSL_WANT_READ && code != MBEDTLS_ERR_SSL_TIMEOUT) fail(code);
        wait_a_little(1);
        ssize_t got = read(STDIN_FILENO, line + filled, sizeof line - 1 - filled);
        if (got == 0) return 0;
        if (got > 0) filled += (size_t) got;
        line[filled] = 0;
        char *end;
        while ((end = strchr(line, '\n')) != NULL) {
            *end = 0;
            if (strncmp(line, "send ", 5) == 0) {
                code = mbedtls_ssl_write(&ssl, (unsigned char *) line + 5, strlen(line + 5));
                if (code < 0) fail(code);
            } else if (strcmp(line, "rebind") == 0) {
                close(udp);
                udp = open_socket(0);
                say("REBOUND");
            } else if (strcmp(line, "close") == 0) {
                mbedtls_ssl_close_notify(&ssl);
                return say("CLOSED");
            }
            filled -= (size_t) (end + 1 - line);
            memmove(line, end + 1, filled + 1);
        }
    }
}
