/* One end of one DTLS 1.2 session by wolfSSL, with connection IDs, for tests of interoperability: see peer.h. */

#include "peer.h"

#include <time.h>

#include <wolfssl/wolfcrypt/settings.h>

#include <wolfssl/ssl.h>

static void fail(int code) {
    printf("FAILED %d\n", code);
    fflush(stdout);
    exit(1);
}

static int to_network(WOLFSSL *ssl, char *bytes, int len, void *context) {
    (void) ssl, (void) context;
    return send_datagram(bytes, (size_t) len);
}

static int from_network(WOLFSSL *ssl, char *bytes, int len, void *context) {
    (void) context;
    ssize_t got = receive_datagram(bytes, (size_t) len);
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

int main(int argc, char **argv) {
    begin(argc, argv);
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

    WOLFSSL *ssl = wolfSSL_new(context);
    if (ssl == NULL) fail(0);
    wolfSSL_dtls_set_using_nonblock(ssl, 1);
    if (speaks_of_ids) {
        code = wolfSSL_dtls_cid_use(ssl);
        if (code == WOLFSSL_SUCCESS && own_len > 0) code = wolfSSL_dtls_cid_set(ssl, own, own_len);
        if (code != WOLFSSL_SUCCESS) fail(code);
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
    say_id("own", enabled, rx, rx_len);
    say_id("peer", enabled, tx, tx_len);
    say("");

    static unsigned char data[DATAGRAM_MAX];
    char line[LINE_MAX_LEN];
    for (;;) {
        while ((code = wolfSSL_read(ssl, data, sizeof data - 1)) > 0) say_read(data, code);
        int error = wolfSSL_get_error(ssl, code);
        if (error == WOLFSSL_ERROR_ZERO_RETURN) {
            wolfSSL_shutdown(ssl);
            return say("CLOSED");
        }
        if (error != WOLFSSL_ERROR_WANT_READ) fail(error);
        wait_a_little(1);
        while (next_line(line)) {
            if (strncmp(line, "send ", 5) == 0) {
                code = wolfSSL_write(ssl, line + 5, (int) strlen(line + 5));
                if (code < 0) fail(wolfSSL_get_error(ssl, code));
            } else if (strcmp(line, "rebind") == 0) {
                rebind();
            } else if (strcmp(line, "close") == 0) {
                wolfSSL_shutdown(ssl);
                return say("CLOSED");
            }
        }
    }
}
