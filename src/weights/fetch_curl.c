/* libcurl's easy interface. Certificates are checked, proxies are those of the environment; http,
 * https and file are spoken and nothing else, and no redirect leads from https to http. */
#include "base/attr.h"
#include "base/build.h"
#include "weights/fetch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

enum { MAX_REDIRECTS = 5, BUFFER_BYTES = 1 << 17 };

struct transfer {
    const struct fetch_request *r;
    CURL *curl;
    struct fetch_head head;
    int64_t range_at, range_total; /* Content-Range's; -1 = not told */
    bool begun, failed;            /* failed: e is set */
    bool no_range;
    struct err *e;
};

/* Which protocols a request may begin with, or be led to. */
static CURLcode allow(CURL *curl, bool redirects, const char *names)
{
#if LIBCURL_VERSION_NUM >= 0x075500
    CURLoption option = redirects ? CURLOPT_REDIR_PROTOCOLS_STR : CURLOPT_PROTOCOLS_STR;
    return curl_easy_setopt(curl, option, names);
#else
    long bits = strstr(names, "file") ? CURLPROTO_FILE : 0;
    bits |= strstr(names, "https") ? CURLPROTO_HTTPS : 0;
    bits |= strncmp(names, "http,", 5) == 0 ? CURLPROTO_HTTP : 0;
    return curl_easy_setopt(curl, redirects ? CURLOPT_REDIR_PROTOCOLS : CURLOPT_PROTOCOLS,
                            bits);
#endif
}

/* A header's value without the spaces around it, when the line is of that name. */
static const char *value_of(const char *line, size_t n, const char *name, int *length)
{
    size_t at = strlen(name);
    if (n <= at || line[at] != ':' || strncasecmp(line, name, at) != 0)
        return NULL;
    for (at++; at < n && (line[at] == ' ' || line[at] == '\t'); at++)
        ;
    while (n > at && (unsigned char)line[n - 1] <= ' ')
        n--;
    *length = (int)(n - at);
    return line + at;
}

/* A strong tag, else the date: a weak tag says nothing about bytes (RFC 9110, 13.1.5). */
static void note_validator(struct transfer *t, const char *line, size_t n)
{
    int length;
    const char *tag = value_of(line, n, "ETag", &length);
    const char *date = tag ? NULL : value_of(line, n, "Last-Modified", &length);
    const char *value = tag && length > 0 && tag[0] == '"' ? tag
                        : date && !t->head.validator[0]    ? date
                                                           : NULL;
    if (value && length < FETCH_MAX_VALIDATOR)
        snprintf(t->head.validator, sizeof(t->head.validator), "%.*s", length, value);
}

static size_t on_header(char *line, size_t size, size_t count, void *ctx)
{
    struct transfer *t = ctx;
    char text[128];
    int length;
    size_t n = size * count;
    if (n > 5 && memcmp(line, "HTTP/", 5) == 0) { /* of a redirect's target: all anew */
        t->head.validator[0] = '\0';
        t->range_at = t->range_total = -1;
    }
    note_validator(t, line, n);
    const char *range = value_of(line, n, "Content-Range", &length);
    if (range) {
        snprintf(text, sizeof(text), "%.*s", length, range);
        if (sscanf(text, "bytes %" SCNd64 "-%*d/%" SCNd64, &t->range_at, &t->range_total) < 1)
            t->range_at = -1;
    }
    return n;
}

static long status_of(const struct transfer *t)
{
    long status = 0;
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
    return status; /* 0 of a file: address */
}

static bool brings_file(long status)
{
    return status == 0 || status == 200 || status == 206;
}

/* Where in the file the body begins; false: the answer is to another question than ours. */
static bool begin(struct transfer *t)
{
    long status = status_of(t);
    curl_off_t length = -1;
    curl_easy_getinfo(t->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    t->begun = true;
    t->head.at = status == 0 ? t->r->from : status == 206 ? t->range_at : 0;
    t->no_range = t->head.at != 0 && t->head.at != t->r->from;
    if (t->no_range)
        return false;
    t->head.total = length < 0 ? t->range_total : t->head.at + (int64_t)length;
    t->failed = !t->r->begin(t->r->ctx, &t->head, t->e);
    return !t->failed;
}

static size_t on_body(char *byte, size_t size, size_t count, void *ctx)
{
    struct transfer *t = ctx;
    size_t n = size * count;
    if (!brings_file(status_of(t)))
        return n; /* a page that tells of the error */
    if (!t->begun && !begin(t))
        return 0;
    t->failed = !t->r->body(t->r->ctx, byte, n, t->e);
    return t->failed ? 0 : n;
}

static int on_wait(void *ctx, curl_off_t down_all, curl_off_t down, curl_off_t up_all,
                   curl_off_t up)
{
    const struct transfer *t = ctx;
    (void)down_all, (void)down, (void)up_all, (void)up;
    return t->r->stop && *t->r->stop != 0;
}

static struct fetch_result end_of_status(const struct transfer *t, long status)
{
    static const long passing[] = {408, 425, 429, 500, 502, 503, 504};
    struct fetch_result end = {.end = FETCH_REFUSED};
    curl_off_t pause = 0;
    snprintf(end.why, sizeof(end.why), "the server answers with status %ld", status);
    if (status == 416)
        end.end = t->r->from > 0 ? FETCH_NO_RANGE : FETCH_REFUSED;
    for (size_t i = 0; i < COUNT_OF(passing); i++)
        if (status == passing[i])
            end.end = FETCH_CUT;
    curl_easy_getinfo(t->curl, CURLINFO_RETRY_AFTER, &pause);
    end.wait_s = (int64_t)pause;
    return end;
}

/* What libcurl's word means for us. */
static struct fetch_result end_of_code(const struct transfer *t, CURLcode code,
                                       const char *said)
{
    struct fetch_result end = {.end = FETCH_CUT};
    snprintf(end.why, sizeof(end.why), "%s", *said ? said : curl_easy_strerror(code));
    switch ((int)code) {
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
        end.end = FETCH_UNREACHED;
        break;
    case CURLE_RANGE_ERROR:
    case CURLE_BAD_DOWNLOAD_RESUME:
        end.end = FETCH_NO_RANGE;
        break;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_FILE_COULDNT_READ_FILE:
    case CURLE_TOO_MANY_REDIRECTS:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_OUT_OF_MEMORY:
        end.end = FETCH_REFUSED;
        break;
    default:
        break;
    }
    /* A slow connection and none at all have one code. */
    if (code == CURLE_OPERATION_TIMEDOUT && status_of(t) == 0)
        end.end = FETCH_UNREACHED;
    return end;
}

static struct fetch_result judge(struct transfer *t, CURLcode code, const char *said)
{
    long status = status_of(t);
    if (t->no_range)
        return (struct fetch_result){FETCH_NO_RANGE, "the server sent another range", 0};
    if (t->failed)
        return (struct fetch_result){.end = FETCH_FAILED};
    if (t->r->stop && *t->r->stop) {
        t->e->signal = *t->r->stop;
        err_set(t->e, ERR_INTERRUPTED, "stopped by signal %d", t->e->signal);
        return (struct fetch_result){.end = FETCH_FAILED};
    }
    if (code != CURLE_OK)
        return end_of_code(t, code, said);
    if (!brings_file(status))
        return end_of_status(t, status);
    if (!t->begun && !begin(t))
        return judge(t, code, said); /* an empty body */
    return (struct fetch_result){.end = FETCH_DONE};
}

static bool set_up(struct transfer *t, char *said, struct curl_slist *header)
{
    const struct fetch_request *r = t->r;
    CURL *c = t->curl;
    char range[32];
    long timeout = (long)r->timeout_s;
    bool plain = strncasecmp(r->url, "http:", 5) == 0;
    snprintf(range, sizeof(range), "%" PRId64 "-", r->from);
    return curl_easy_setopt(c, CURLOPT_URL, r->url) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_RANGE, r->from > 0 ? range : NULL) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_HTTPHEADER, header) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_USERAGENT, "linnet/" LINNET_VERSION) == CURLE_OK &&
           allow(c, false, "http,https,file") == CURLE_OK &&
           allow(c, true, plain ? "http,https" : "https") == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_MAXREDIRS, (long)MAX_REDIRECTS) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, timeout) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, timeout) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_BUFFERSIZE, (long)BUFFER_BYTES) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_ERRORBUFFER, said) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_HEADERDATA, t) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_WRITEDATA, t) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_wait) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_XFERINFODATA, t) == CURLE_OK;
}

struct fetch_result fetch(const struct fetch_request *r, struct err *e)
{
    char said[CURL_ERROR_SIZE] = "", condition[FETCH_MAX_VALIDATOR + 16];
    struct fetch_result end = {.end = FETCH_FAILED};
    struct curl_slist *header = NULL;
    bool begun = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK, ready = begun;
    struct transfer t = {.r = r, .range_at = -1, .range_total = -1, .e = e};
    t.curl = begun ? curl_easy_init() : NULL;
    if (t.curl && r->from > 0 && *r->validator) {
        snprintf(condition, sizeof(condition), "If-Range: %s", r->validator);
        header = curl_slist_append(NULL, condition);
        ready = header != NULL;
    }
    if (t.curl && ready && set_up(&t, said, header))
        end = judge(&t, curl_easy_perform(t.curl), said);
    else
        err_set(e, ERR_NOMEM, "no memory for libcurl");
    curl_easy_cleanup(t.curl);
    curl_slist_free_all(header);
    if (begun)
        curl_global_cleanup();
    return end;
}
