/* What the peers have in common: what they are told and what they say, their socket, and their key.
 *
 *   PEER client PORT CID      to 127.0.0.1:PORT; CID in hexadecimal, "-" for none, "off" for no extension
 *   PEER server 0 CID         says "PORT n"
 *
 * What one is told, a line each: "send TEXT", "rebind" (a client: from now on by another socket), "close".
 * What it says, a line each: "CONNECTED own=CID peer=CID", "READ TEXT", "REBOUND", "CLOSED", "FAILED CODE".
 *
 * The key and the identity are those of the test. A server sends to where the last record came from that was authentic
 * and application data: the libraries leave that to their caller. */

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

static const unsigned char KEY[16] = "0123456789abcdef";
static const char IDENTITY[] = "roamer";
enum { SECONDS_MAX = 60, DATAGRAM_MAX = 65536, LINE_MAX_LEN = 1024 };

static int is_server;
static int speaks_of_ids;
/* The ID that records to us are to have. */
static unsigned char own[255];
static unsigned own_len;

static int udp = -1;
/* Where the other end is, and where the last datagram came from. */
static struct sockaddr_in peer, source;

static int say(const char *words) {
    printf("%s\n", words);
    return fflush(stdout);
}

/* Says what the peer has sent, and where a server answers from now on. */
static void say_read(unsigned char *data, int len) {
    if (is_server) peer = source;
    data[len] = 0;
    printf("READ %s\n", (char *) data);
    fflush(stdout);
}

static void say_id(const char *name, int enabled, const unsigned char *id, size_t len) {
    printf(" %s=", name);
    if (!enabled) printf("off");
    else if (len == 0) printf("-");
    for (size_t i = 0; enabled && i < len; i++) printf("%02x", id[i]);
}

static void open_socket(void) {
    struct sockaddr_in local = {.sin_family = AF_INET};
    local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    udp = socket(AF_INET, SOCK_DGRAM, 0);
    if (udp < 0 || bind(udp, (struct sockaddr *) &local, sizeof local) != 0 || fcntl(udp, F_SETFL, O_NONBLOCK) != 0) {
        perror("socket");
        exit(1);
    }
}

static void rebind(void) {
    close(udp);
    open_socket();
    say("REBOUND");
}

/* As on any network, what cannot be delivered is lost. */
static int send_datagram(const void *bytes, size_t len) {
    (void) !sendto(udp, bytes, len, 0, (struct sockaddr *) &peer, sizeof peer);
    return (int) len;
}

static ssize_t receive_datagram(void *bytes, size_t len) {
    socklen_t size = sizeof source;
    return recvfrom(udp, bytes, len, 0, (struct sockaddr *) &source, &size);
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

/* Takes the command line, and opens the socket. */
static void begin(int argc, char **argv) {
    if (argc != 4) exit(2);
    alarm(SECONDS_MAX);
    is_server = strcmp(argv[1], "server") == 0;
    speaks_of_ids = strcmp(argv[3], "off") != 0;
    if (speaks_of_ids && strcmp(argv[3], "-") != 0) own_len = (unsigned) strlen(argv[3]) / 2;
    for (unsigned i = 0; i < own_len; i++) {
        unsigned byte;
        if (i >= sizeof own || sscanf(argv[3] + 2 * i, "%2x", &byte) != 1) exit(2);
        own[i] = (unsigned char) byte;
    }
    open_socket();
    peer = (struct sockaddr_in) {.sin_family = AF_INET, .sin_port = htons((uint16_t) atoi(argv[2]))};
    peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (is_server) {
        struct sockaddr_in local;
        socklen_t size = sizeof local;
        getsockname(udp, (struct sockaddr *) &local, &size);
        printf("PORT %u\n", (unsigned) ntohs(local.sin_port));
        fflush(stdout);
    }
}

/* Takes the next line that it is told, if one is there. */
static int next_line(char line[LINE_MAX_LEN]) {
    static char told[LINE_MAX_LEN];
    static size_t filled;
    char *end = memchr(told, '\n', filled);
    if (end == NULL) {
        fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
        ssize_t got = read(STDIN_FILENO, told + filled, sizeof told - filled);
        if (got == 0) exit(0);
        if (got < 0) return 0;
        filled += (size_t) got;
        end = memchr(told, '\n', filled);
    }
    if (end == NULL) return 0;
    *end = 0;
    strcpy(line, told);
    filled -= (size_t) (end + 1 - told);
    memmove(told, end + 1, filled);
    return 1;
}
