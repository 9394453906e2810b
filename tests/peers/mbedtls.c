/* One end of one DTLS 1.2 session by Mbed TLS, with connection IDs, for tests of interoperability: see peer.h. */

#include "peer.h"

#include "mbedtls/ctr_drbg.h"
#include "mbedtls/entropy.h"
#include "mbedtls/ssl.h"
#include "mbedtls/ssl_cookie.h"
#include "mbedtls/timing.h"
#include "psa/crypto.h"

static const int SUITES[] = {MBEDTLS_TLS_PSK_WITH_AES_128_GCM_SHA256, 0};

static void fail(int code) {
    printf("FAILED -0x%x\n", (unsigned) -code);
    fflush(stdout);
    exit(1);
}

static int to_network(void *context, const unsigned char *bytes, size_t len) {
    (void) context;
    return send_datagram(bytes, len);
}

static int from_network(void *context, unsigned char *bytes, size_t len) {
    (void) context;
    ssize_t got = receive_datagram(bytes, len);
    return got < 0 ? MBEDTLS_ERR_SSL_WANT_READ : (int) got;
}

int main(int argc, char **argv) {
    begin(argc, argv);
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

    if (is_server) {
        /* A cookie is for an address, so the first datagram is looked at before it is read. */
        ssize_t got;
        do {
            wait_a_little(0);
            unsigned char byte;
            socklen_t size = sizeof peer;
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
    say_id("own", enabled, own, own_len);
    say_id("peer", enabled, theirs, theirs_len);
    say("");

    static unsigned char data[DATAGRAM_MAX];
    char line[LINE_MAX_LEN];
    for (;;) {
        while ((code = mbedtls_ssl_read(&ssl, data, sizeof data - 1)) > 0) say_read(data, code);
        if (code == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) {
            mbedtls_ssl_close_notify(&ssl);
            return say("CLOSED");
        }
        if (code != MBEDTLS_ERR_SSL_WANT_READ && code != MBEDTLS_ERR_SSL_TIMEOUT) fail(code);
        wait_a_little(1);
        while (next_line(line)) {
            if (strncmp(line, "send ", 5) == 0) {
                code = mbedtls_ssl_write(&ssl, (unsigned char *) line + 5, strlen(line + 5));
                if (code < 0) fail(code);
            } else if (strcmp(line, "rebind") == 0) {
                rebind();
            } else if (strcmp(line, "close") == 0) {
                mbedtls_ssl_close_notify(&ssl);
                return say("CLOSED");
            }
        }
    }
}
