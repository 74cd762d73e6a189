#include "cmd/progress.h"
#include "base/clock.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { BAR_MIN = 10, BAR_MAX = 28, LINE_SIZE = 1024 };

static const double redraw_s = 0.1, plain_s = 30; /* seconds from one line to the next */
static const char clear_line[] = "\r\x1b[K", bold[] = "\x1b[1m", bar_colour[] = "\x1b[36m",
                  rest_colour[] = "\x1b[2m", normal[] = "\x1b[0m";

static bool speaks_utf8(void)
{
    static const char *const variable[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < COUNT_OF(variable); i++) {
        const char *value = getenv(variable[i]);
        if (value && *value)
            return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
    }
    return false;
}

void progress_open(struct progress *p, FILE *out)
{
    const char *term = getenv("TERM"), *no_colour = getenv("NO_COLOR");
    *p = (struct progress){.out = out};
    p->terminal = isatty(fileno(out)) && term && strcmp(term, "dumb") != 0;
    p->colour = p->terminal && !(no_colour && *no_colour);
    p->blocks = p->terminal && speaks_utf8();
    p->drawn_s = p->terminal ? 0 : clock_s(); /* the first plain line waits its time */
}

static int columns(const struct progress *p)
{
    struct winsize size;
    return ioctl(fileno(p->out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

static const char *code(const struct progress *p, const char *escape)
{
    return p->colour ? escape : "";
}

/* Eighths of a column where blocks can be shown, whole ones elsewhere. */
static void draw_bar(const struct progress *p, double share, int width)
{
    static const char *const part[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    int eighths = (int)(share * width * 8), full = eighths / 8, used = full;
    fputs(code(p, bar_colour), p->out);
    for (int i = 0; i < full; i++)
        fputs(p->blocks ? "█" : "#", p->out);
    if (p->blocks && eighths % 8) {
        fputs(part[eighths % 8], p->out);
        used++;
    }
    fprintf(p->out, "%s%s", code(p, normal), code(p, rest_colour));
    for (int i = used; i < width; i++)
        fputs(p->blocks ? "░" : ".", p->out);
    fputs(code(p, normal), p->out);
}

/* As many facts as fit into `room` columns, two spaces before each. */
static void join_facts(const struct progress_line *line, int room, char *text)
{
    size_t n = 0;
    text[0] = '\0';
    for (int i = 0; line->fact && line->fact[i]; i++) {
        int width = utf8_columns(line->fact[i]) + 2;
        if (width > room || n + strlen(line->fact[i]) + 3 > LINE_SIZE)
            return;
        n += (size_t)snprintf(text + n, LINE_SIZE - n, "  %s", line->fact[i]);
        room -= width;
    }
}

/* The bar takes what the facts leave, the facts what the least bar leaves; three
 * columns stay free: the ^C that a terminal shows must not break the line. */
static void draw_terminal(struct progress *p, const struct progress_line *line, double share)
{
    char facts[LINE_SIZE], percent[16];
    int width = columns(p) - 3, label = utf8_columns(line->label);
    snprintf(percent, sizeof(percent), " %3.0f%%", 100 * share);
    int room = width - label - 1 - (int)strlen(percent), least = room < BAR_MIN ? 0 : BAR_MIN;
    join_facts(line, room - least, facts);
    int bar = room - utf8_columns(facts);
    bar = room < BAR_MIN ? 0 : bar > BAR_MAX ? BAR_MAX : bar;
    fputs(clear_line, p->out);
    if (label < width)
        fprintf(p->out, "%s%s%s ", code(p, bold), line->label, code(p, normal));
    draw_bar(p, share, bar);
    fprintf(p->out, "%s%s", room >= 0 ? percent : "", facts);
    fflush(p->out);
    p->shown = true;
}

void progress_draw(struct progress *p, const struct progress_line *line)
{
    double share = line->share > 1 ? 1 : line->share > 0 ? line->share : 0, now = clock_s();
    if (now - p->drawn_s < (p->terminal ? redraw_s : plain_s))
        return;
    p->drawn_s = now;
    if (p->terminal) {
        draw_terminal(p, line, share);
        return;
    }
    char facts[LINE_SIZE];
    join_facts(line, LINE_SIZE, facts);
    fprintf(p->out, "%s %3.0f%%%s\n", line->label, 100 * share, facts);
    fflush(p->out);
}

void progress_clear(struct progress *p)
{
    if (p->shown)
        fputs(clear_line, p->out);
    p->shown = false;
    fflush(p->out);
}

void progress_say(struct progress *p, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    progress_clear(p);
    vfprintf(p->out, fmt, args);
    putc('\n', p->out);
    fflush(p->out);
    va_end(args);
    p->drawn_s = p->terminal ? 0 : clock_s(); /* the bar comes back at once */
}

char *progress_time(double s, char text[24])
{
    long long n = s < 0 || s > 1e9 ? -1 : (long long)(s + 0.5);
    if (n < 0)
        return strcpy(text, "-:--");
    if (n < 3600)
        snprintf(text, 24, "%lld:%02lld", n / 60, n % 60);
    else
        snprintf(text, 24, "%lld:%02lld:%02lld", n / 3600, n / 60 % 60, n % 60);
    return text;
}
