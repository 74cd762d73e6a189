#include "base/utf8.h"
#include "cmd/progress.h"

#include <fcntl.h>
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

/* A terminal of our own, and what was drawn on it. */
struct screen {
    int master;
    FILE *out;
    char text[8192];
};

static void open_screen(struct screen *s, int columns)
{
    struct winsize size = {.ws_row = 24, .ws_col = (unsigned short)columns};
    int slave;
    assert_int_equal(openpty(&s->master, &slave, NULL, NULL, &size), 0);
    assert_int_equal(fcntl(s->master, F_SETFL, O_NONBLOCK), 0);
    s->out = fdopen(slave, "w");
    assert_non_null(s->out);
}

static char *drawn(struct screen *s)
{
    fflush(s->out);
    ssize_t n = read(s->master, s->text, sizeof(s->text) - 1);
    s->text[n > 0 ? n : 0] = '\0';
    return s->text;
}

static void close_screen(struct screen *s)
{
    fclose(s->out);
    close(s->master);
}

static const struct progress_line line = {
    .label = "epoch 3/10",
    .share = 0.5,
    .fact = (const char *const[]){"loss 1.2345", "acc 45.6%", "1:23 left", "812 img/s", NULL}};

static void environment(const char *term, const char *lang, const char *no_color)
{
    setenv("TERM", term, 1);
    unsetenv("LC_ALL");
    unsetenv("LC_CTYPE");
    setenv("LANG", lang, 1);
    setenv("NO_COLOR", no_color, 1);
}

static void fits_any_width(void **state)
{
    (void)state;
    environment("xterm", "C", "1");
    for (int columns = 1; columns <= 120; columns++) {
        struct screen s;
        struct progress p;
        open_screen(&s, columns);
        progress_open(&p, s.out);
        progress_draw(&p, &line);
        char *text = drawn(&s);
        assert_int_equal(strncmp(text, "\r\x1b[K", 4), 0);
        assert_true(utf8_columns(text + 4) <= (columns > 3 ? columns - 3 : 0));
        assert_null(strchr(text + 4, '\x1b'));
        if (columns == 80)
            assert_string_equal(text + 4, "epoch 3/10 #######........  50%  loss 1.2345  "
                                          "acc 45.6%  1:23 left  812 img/s");
        if (columns == 40)
            assert_string_equal(text + 4, "epoch 3/10 ##########...........  50%");
        close_screen(&s);
    }
}

static void blocks_and_colour_where_wanted(void **state)
{
    (void)state;
    struct screen s;
    struct progress p;
    environment("xterm", "en_GB.UTF-8", "");
    open_screen(&s, 80);
    progress_open(&p, s.out);
    assert_true(p.terminal && p.colour && p.blocks);
    progress_draw(&p, &line);
    assert_non_null(strstr(drawn(&s), "\x1b[36m███████▌\x1b[0m"));
    environment("xterm", "en_GB.UTF-8", "1");
    progress_open(&p, s.out);
    assert_true(p.terminal && !p.colour && p.blocks);
    environment("dumb", "en_GB.UTF-8", "");
    progress_open(&p, s.out);
    assert_true(!p.terminal && !p.colour);
    close_screen(&s);
}

static void draws_ten_times_a_second(void **state)
{
    (void)state;
    struct screen s;
    struct progress p;
    environment("xterm", "C", "1");
    open_screen(&s, 80);
    progress_open(&p, s.out);
    progress_draw(&p, &line);
    assert_true(*drawn(&s));
    progress_draw(&p, &line);
    assert_string_equal(drawn(&s), "");
    progress_say(&p, "epoch %d is over", 3);
    assert_string_equal(drawn(&s), "\r\x1b[Kepoch 3 is over\r\n");
    progress_draw(&p, &line); /* the bar comes back at once */
    assert_true(*drawn(&s));
    usleep(110 * 1000);
    progress_draw(&p, &line);
    assert_true(*drawn(&s));
    progress_clear(&p);
    assert_string_equal(drawn(&s), "\r\x1b[K");
    progress_clear(&p);
    assert_string_equal(drawn(&s), "");
    close_screen(&s);
}

static void plain_elsewhere(void **state)
{
    (void)state;
    char *text = NULL;
    struct progress p;
    FILE *out = tmpfile();
    environment("xterm", "en_GB.UTF-8", "");
    progress_open(&p, out);
    assert_true(!p.terminal && !p.colour);
    progress_draw(&p, &line); /* not yet */
    progress_say(&p, "said");
    p.drawn_s -= 31;
    progress_draw(&p, &line);
    progress_clear(&p);
    rewind(out);
    size_t room = 0;
    assert_true(getdelim(&text, &room, '\0', out) > 0);
    assert_string_equal(text, "said\nepoch 3/10  50%  loss 1.2345  acc 45.6%  1:23 left  "
                              "812 img/s\n");
    free(text);
    fclose(out);
}

static void times(void **state)
{
    (void)state;
    char text[24];
    assert_string_equal(progress_time(-1, text), "-:--");
    assert_string_equal(progress_time(0, text), "0:00");
    assert_string_equal(progress_time(67.6, text), "1:08");
    assert_string_equal(progress_time(3599.6, text), "1:00:00");
    assert_string_equal(progress_time(1e300, text), "-:--");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fits_any_width),
        cmocka_unit_test(times),
        cmocka_unit_test(blocks_and_colour_where_wanted),
        cmocka_unit_test(plain_elsewhere),
        cmocka_unit_test(draws_ten_times_a_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
