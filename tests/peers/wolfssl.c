/* One end of one DTLS 1.2 session by wolfSSL, with connection IDs, for tests of interoperability. What it is told and
 * what it says is as in mbedtls.c.
 *
 * A server sends to where the last record came from that was authentic and application data, as mbedtls.c does. */

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <wolfssl/wolfcrypt/settings.h>

#include <wolfssl/ssl.h>

static const unsigned char KEY[16] = "0123456789abcdef";
static const char IDENTITY[] = "roamer";
enum { SECONDS_MAX = 60, DATAGRAM_MAX = 65536 };

static int udp = -1;
/* Where the other end is, and where the last datagram came from. */
static struct sockaddr_in peer, source;

static int say(const char *words) {
    printf("%s\n", words);
    return fflush(stdout);
}

static void fail(int code) {
    printf("FAILED %d\n", code);
    fflush(stdout);
    exit(1);
}

static int open_socket(void) {
    struct sockaddr_in local = {.sin_family = AF_INET};
    local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *) &local, sizeof local) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
        perror("socket");
        exit(1);
    }
    return fd;
}

static int to_network(WOLFSSL *ssl, char *bytes, int len, void *context) {
    (void) ssl, (void) context;
    /* As on any network, what cannot be delivered is lost. */
    (void) !sendto(udp, bytes, (size_t) len, 0, (struct sockaddr *) &peer, sizeof peer);
    return len;
}

static int from_network(WOLFSSL *ssl, char *bytes, int len, void *context) {
    (void) ssl, (void) context;
    socklen_t size = sizeof source;
    ssize_t got = recvfrom(udp, bytes, (size_t) len, 0, (struct sockaddr *) &source, &size);
    if (got < 0) return WOLFSSL_CBIO_ERR_WANT_READ;
    /* Until there is a session, whoever speaks is the peer. */
    if (!wolfSSL_is_init_finished(ssl)) peer = source;
    return (int) got;
}

/* There is one client. */
static int make_cookie(WOLFSSL *ssl, unsigned char *cookie, int len, void *context) {
    (void) ssl, (void) context;
    memset(cookie, 0x5a, (size_t) len);
    return len;
}

static unsigned client_key(WOLFSSL *ssl, const char *hint, char *identity, unsigned identity_max, unsigned char *key,
                           unsigned key_max) {
    (void) ssl, (void) hint, (void) identity_max, (void) key_max;
    strcpy(identity, IDENTITY);
    memcpy(key, KEY, sizeof KEY);
    return sizeof KEY;
}

static unsigned server_key(WOLFSSL *ssl, const char *identity, unsigned char *key, unsigned key_max) {
    (void) ssl, (void) key_max;
    if (strcmp(identity, IDENTITY) != 0) return 0;
    memcpy(key, KEY, sizeof KEY);
    return sizeof KEY;
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

static unsigned from_hex(const char *words, unsigned char *bytes) {
    unsigned len = (unsigned) strlen(words) / 2;
    for (unsigned i = 0; i < len; i++) {
        unsigned byte;
        if (sscanf(words + 2 * i, "%2x", &byte) != 1) exit(2);
        bytes[i] = (unsigned char) byte;
    }
    return len;
}

static void print_id(const char *name, int enabled, const unsigned char *id, unsigned len) {
    printf(" %s=", name);
    if (!enabled) printf("off");
    else if (len == 0) printf("-");
    for (unsigned i = 0; enabled && i < len; i++) printf("%02x", id[i]);
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    alarm(SECONDS_MAX);
    int is_server = strcmp(argv[1], "server") == 0;
    wolfSSL_Init();
    WOLFSSL_CTX *context = wolfSSL_CTX_new(is_server ? wolfDTLSv1_2_server_method() : wolfDTLSv1_2_client_method());
    if (context == NULL) fail(0);
    int code = wolfSSL_CTX_set_cipher_list(context, "PSK-AES128-GCM-SHA256");
    if (code != WOLFSSL_SUCCESS) fail(code);
    if (is_server) wolfSSL_CTX_set_psk_server_callback(context, server_key);
    else wolfSSL_CTX_set_psk_client_callback(context, client_key);
    wolfSSL_CTX_SetIORecv(context, from_network);
    wolfSSL_CTX_SetIOSend(context, to_network);
    wolfSSL_CTX_SetGenCookie(context, make_cookie);

    unsigned char own[255];
    int speaks_of_ids = strcmp(argv[3], "off") != 0;
    unsigned own_len = speaks_of_ids && strcmp(argv[3], "-") != 0 ? from_hex(argv[3], own) : 0;
    WOLFSSL *ssl = wolfSSL_new(context);
    if (ssl == NULL) fail(0);
    wolfSSL_dtls_set_using_nonblock(ssl, 1);
    if (speaks_of_ids) {
        code = wolfSSL_dtls_cid_use(ssl);
        if (code == WOLFSSL_SUCCESS && own_len > 0) code = wolfSSL_dtls_cid_set(ssl, own, own_len);
        if (code != WOLFSSL_SUCCESS) fail(code);
    }

    udp = open_socket();
    peer = (struct sockaddr_in) {.sin_family = AF_INET, .sin_port = htons((uint16_t) atoi(argv[2]))};
    peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (is_server) {
        struct sockaddr_in local;
        socklen_t size = sizeof local;
        getsockname(udp, (struct sockaddr *) &local, &size);
        printf("PORT %u\n", (unsigned) ntohs(local.sin_port));
        fflush(stdout);
    }
    time_t since = time(NULL);
    while ((code = wolfSSL_negotiate(ssl)) != WOLFSSL_SUCCESS) {
        int error = wolfSSL_get_error(ssl, code);
        if (error != WOLFSSL_ERROR_WANT_READ && error != WOLFSSL_ERROR_WANT_WRITE) fail(error);
        wait_a_little(0);
        if (time(NULL) - since > wolfSSL_dtls_get_current_timeout(ssl)) {
            since = time(NULL);
            if (wolfSSL_dtls_got_timeout(ssl) != WOLFSSL_SUCCESS) fail(wolfSSL_get_error(ssl, -1));
        }
    }

    unsigned char rx[255], tx[255];
    unsigned rx_len = 0, tx_len = 0;
    int enabled = wolfSSL_dtls_cid_is_enabled(ssl);
    if (enabled) {
        wolfSSL_dtls_cid_get_rx_size(ssl, &rx_len);
        wolfSSL_dtls_cid_get_tx_size(ssl, &tx_len);
        if (rx_len > 0) wolfSSL_dtls_cid_get_rx(ssl, rx, sizeof rx);
        if (tx_len > 0) wolfSSL_dtls_cid_get_tx(ssl, tx, sizeof tx);
    }
    printf("CONNECTED");
    print_id("own", enabled, rx, rx_len);
    print_id("peer", enabled, tx, tx_len);
    say("");

    fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
    char line[1024];
    size_t filled = 0;
    static unsigned char data[DATAGRAM_MAX];
    for (;;) {
        while ((code = wolfSSL_read(ssl, data, sizeof data - 1)) > 0) {
            if (is_server) peer = source;
            data[code] = 0;
            printf("READ %s\n", (char *) data);
            fflush(stdout);
        }
        int error = wolfSSL_get_error(ssl, code);
        if (error == WOLFSSL_ERROR_ZERO_RETURN) {
            wolfSSL_shutdown(ssl);
            return say("CLOSED");
        }
        if (error != WOLFSSL_ERROR_WANT_READ) fail(error);
        wait_a_little(1);
        ssize_t got = read(STDIN_FILENO, line + filled, sizeof line - 1 - filled);
        if (got == 0) return 0;
        if (got > 0) filled += (size_t) got;
        line[filled] = 0;
        char *end;
        while ((end = strchr(line, '\n')) != NULL) {
            *end = 0;
            if (strncmp(line, "send ", 5) == 0) {
                code = wolfSSL_write(ssl, line + 5, (int) strlen(line + 5));
                if (code < 0) fail(wolfSSL_get_error(ssl, code));
            } else if (strcmp(line, "rebind") == 0) {
                close(udp);
                udp = open_socket();
                say("REBOUND");
            } else if (strcmp(line, "close") == 0) {
                wolfSSL_shutdown(ssl);
                return say("CLOSED");
            }
            filled -= (size_t) (end + 1 - line);
            memmove(line, end + 1, filled + 1);
        }
    }
}
