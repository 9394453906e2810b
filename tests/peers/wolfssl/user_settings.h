/* What of wolfSSL is compiled: DTLS 1.2 with pre-shared keys, AES-GCM and connection IDs, of which the longest have 10
 * bytes where nothing else is said. */
#define WOLFSSL_DTLS
#define WOLFSSL_DTLS_CID
#define WOLFSSL_STATIC_PSK
#define HAVE_TLS_EXTENSIONS
#define HAVE_EXTENDED_MASTER
#define HAVE_SERVER_RENEGOTIATION_INFO
#define HAVE_SUPPORTED_CURVES
#define HAVE_ECC
#define HAVE_AESGCM
#define WOLFSSL_SP_MATH_ALL
#define WC_NO_HARDEN
#define WOLFSSL_IGNORE_FILE_WARN
#define NO_OLD_TLS
#define NO_RSA
#define NO_DH
#define NO_DSA
#define NO_DES3
#define NO_RC4
#define NO_MD4
#define NO_MD5
