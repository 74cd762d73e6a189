/* The five requests on one graph, through the public interface alone: training, evaluation (with a
 * filter and its first feature map), an inner tensor, a guided gradient of the input, and a frozen
 * prefix that feeds the tail. */
#include "linnet.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N = 6, SIDE = 32, CLASSES = 4, PIXELS = 3 * SIDE * SIDE, FILTERS = 8, CUT = 16 * 4 * 4 };

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct linnet_error e;
static struct linnet_backend *backend;
static struct linnet_graph *graph;
static struct linnet_weights *weights;
static float picture[N * PIXELS], target[N * CLASSES];

#define OK(call)                                                                               \
    do {                                                                                       \
        if (!(call))                                                                           \
            fail_msg("%s: %s", #call, e.text);                                                 \
    } while (0)

static int setup(void **state)
{
    const char *json = "{\"model\": \"cnn5\", \"filters\": [8, 16, 16, 16, 8], \"dense\": [16],"
                       " \"size\": 32, \"classes\": 4, \"u8\": false, \"label-smoothing\": 0}";
    OK(backend = linnet_backend_open(*state, 2, &e));
    OK(graph = linnet_model_new(json, &e));
    OK(weights = linnet_weights_new(graph, 1, &e));
    for (int i = 0; i < N * PIXELS; i++)
        picture[i] = sinf((float)(i % PIXELS) * (0.01F + 0.1F * (float)(i / PIXELS % CLASSES)));
    memset(target, 0, sizeof(target));
    for (int i = 0; i < N; i++)
        target[i * CLASSES + i % CLASSES] = 1;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    linnet_weights_free(weights);
    linnet_graph_free(graph);
    linnet_backend_close(backend);
    return 0;
}

static struct linnet_plan *plan_of(struct linnet_request r)
{
    struct linnet_plan *p;
    r.max_n = N;
    OK(p = linnet_plan_new(backend, graph, weights, &r, &e));
    return p;
}

static void forward(struct linnet_plan *p, bool with_target)
{
    OK(linnet_plan_feed(p, "input", picture, N, &e));
    if (with_target)
        OK(linnet_plan_feed(p, "target", target, N, &e));
    OK(linnet_plan_forward(p, 0, &e));
}

static void assert_close(const float *a, const float *b, size_t n, double limit)
{
    double most = 1e-6, apart = 0;
    for (size_t i = 0; i < n; i++) {
        most = fmax(most, fabs((double)b[i]));
        double d = fabs((double)a[i] - (double)b[i]);
        apart = isnan(d) ? INFINITY : fmax(apart, d); /* fmax leaves NaN out */
    }
    if (!(apart <= limit * most))
        fail_msg("%g of the maximum apart, at most %g", apart / most, limit);
}

static float mean_loss(const struct linnet_plan *p)
{
    float loss[N], sum = 0;
    OK(linnet_plan_read(p, "loss", loss, &e));
    for (int i = 0; i < N; i++)
        sum += loss[i] / N;
    return sum;
}

static void train(void **state)
{
    (void)state;
    struct linnet_plan *p = plan_of(
        (struct linnet_request){.train = true, .keep = LIST("loss"), .want_weights = true});
    struct linnet_optimiser *o;
    OK(o = linnet_optimiser_new(backend, graph, "{\"optimiser\": \"adam\", \"lr\": 0.003}",
                                &e));
    float first = 0, last = 0;
    for (int step = 0; step < 15; step++) {
        forward(p, true);
        last = mean_loss(p);
        if (step == 0)
            first = last;
        OK(linnet_plan_seed(p, "loss", NULL, 1.0F / N, &e));
        OK(linnet_plan_backward(p, &e));
        linnet_optimiser_step(o, weights);
    }
    assert_true(first > 1 && last < first / 2);
    linnet_optimiser_free(o);
    linnet_plan_free(p);
}

/* A filter is a weight; what it makes of a picture is a kept tensor. */
static void filter_and_first_map(void **state)
{
    (void)state;
    struct linnet_plan *p = plan_of((struct linnet_request){.keep = LIST("conv1", "out")});
    forward(p, false);
    float filter[FILTERS * 27], bias[FILTERS];
    OK(linnet_weights_get(weights, "conv1.weight", filter, FILTERS * 27, &e));
    OK(linnet_weights_get(weights, "conv1.bias", bias, FILTERS, &e));
    float *map = calloc(N * FILTERS * SIDE * SIDE, sizeof(float));
    OK(linnet_plan_read(p, "conv1", map, &e));
    for (int k = 0; k < FILTERS; k++) {
        int n = k % N, y = 1 + 3 * k, x = 20 - 2 * k;
        double sum = bias[k];
        for (int i = 0; i < 27; i++) {
            int c = i / 9, r = i / 3 % 3, s = i % 3;
            sum += (double)filter[k * 27 + i] *
                   picture[(n * 3 + c) * SIDE * SIDE + (y + r - 1) * SIDE + x + s - 1];
        }
        assert_true(fabs(sum - map[((n * FILTERS + k) * SIDE + y) * SIDE + x]) < 1e-4);
    }
    free(map);
    linnet_plan_free(p);
}

/* Tapping an inner tensor does not change the result; the tensor is what the next layers say. */
static void inner_tensor(void **state)
{
    (void)state;
    float plain[N * CLASSES], tapped[N * CLASSES], act[N * 16 * 64], pool[N * CUT];
    struct linnet_plan *p = plan_of((struct linnet_request){.keep = LIST("out")});
    forward(p, false);
    OK(linnet_plan_read(p, "out", plain, &e));
    linnet_plan_free(p);
    p = plan_of((struct linnet_request){.keep = LIST("act3", "pool3", "out")});
    forward(p, false);
    OK(linnet_plan_read(p, "out", tapped, &e));
    OK(linnet_plan_read(p, "act3", act, &e));
    OK(linnet_plan_read(p, "pool3", pool, &e));
    assert_close(tapped, plain, N * CLASSES, 1e-5);
    for (int i = 0; i < N * CUT; i++) {
        const float *from = act + (i / 16) * 64 + (i / 4 % 4) * 16 + (i % 4) * 2;
        assert_true(pool[i] == fmaxf(fmaxf(from[0], from[1]), fmaxf(from[8], from[9])));
    }
    linnet_plan_free(p);
}

static void relu_rule(const float *x, const float *y, const float *dy, float *dx, size_t count)
{
    (void)x;
    for (size_t i = 0; i < count; i++)
        dx[i] = y[i] > 0 ? dy[i] : 0;
}

static void input_gradient(void (*rule)(const float *, const float *, const float *, float *,
                                        size_t),
                           float *dx)
{
    struct linnet_plan *p = plan_of((struct linnet_request){
        .keep = LIST("out"), .want = LIST("input"), .activation_rule = rule});
    forward(p, false);
    float seed[N * CLASSES] = {0};
    for (int i = 0; i < N; i++)
        seed[i * CLASSES + 1] = 1;
    OK(linnet_plan_seed(p, "out", seed, 1, &e));
    OK(linnet_plan_backward(p, &e));
    OK(linnet_plan_read_grad(p, "input", dx, &e));
    linnet_plan_free(p);
}

/* A rule that is ReLU's own gradient changes nothing; the guided one does. */
static void guided_gradient(void **state)
{
    (void)state;
    static float plain[N * PIXELS], own[N * PIXELS], guided[N * PIXELS];
    input_gradient(NULL, plain);
    input_gradient(relu_rule, own);
    input_gradient(linnet_rule_guided, guided);
    assert_close(own, plain, N * PIXELS, 1e-4);
    double apart = 0, most = 0;
    for (int i = 0; i < N * PIXELS; i++) {
        apart = fmax(apart, fabs((double)guided[i] - plain[i]));
        most = fmax(most, fabs((double)guided[i]));
    }
    assert_true(most > 0 && apart > 0.01 * most);
}

static void tail_gradient(struct linnet_plan *p, float *out, float *grad, size_t n)
{
    OK(linnet_plan_seed(p, "loss", NULL, 1.0F / N, &e));
    OK(linnet_plan_backward(p, &e));
    OK(linnet_plan_read(p, "out", out, &e));
    OK(linnet_weights_grad(weights, "conv4.weight", grad, n, &e));
}

/* The prefix, computed once, feeds the tail: the same result as the whole with its prefix frozen. */
static void frozen_prefix_feeds_tail(void **state)
{
    (void)state;
    const char *const frozen[] = {"conv1", "bn1", "conv2", "bn2", "conv3", "bn3", NULL};
    enum { GRAD = 16 * 16 * 9 };
    float cut[N * CUT], whole[N * CLASSES], tail[N * CLASSES], whole_grad[GRAD],
        tail_grad[GRAD];
    struct linnet_plan *p = plan_of((struct linnet_request){.keep = LIST("pool3")});
    forward(p, false);
    OK(linnet_plan_read(p, "pool3", cut, &e));
    linnet_plan_free(p);

    struct linnet_request request = {
        .train = true, .keep = LIST("out", "loss"), .want_weights = true, .frozen = frozen};
    p = plan_of(request);
    forward(p, true);
    tail_gradient(p, whole, whole_grad, GRAD);
    linnet_plan_free(p);

    request.from = LIST("pool3", "target");
    p = plan_of(request);
    OK(linnet_plan_feed(p, "pool3", cut, N, &e));
    OK(linnet_plan_feed(p, "target", target, N, &e));
    OK(linnet_plan_forward(p, 0, &e));
    tail_gradient(p, tail, tail_grad, GRAD);
    linnet_plan_free(p);
    assert_close(tail, whole, N * CLASSES, 1e-5);
    assert_close(tail_grad, whole_grad, GRAD, 1e-4);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    struct linnet_request r = {.max_n = 1, .keep = LIST("conv9")};
    assert_null(linnet_plan_new(backend, graph, weights, &r, &e));
    assert_int_equal(e.status, 2);
    assert_non_null(strstr(e.text, "conv9"));
    assert_false(linnet_weights_get(weights, "conv1.weight", target, 3, &e));
    assert_non_null(strstr(e.text, "216"));
    assert_null(linnet_model_new("{\"filters\": [8], \"size\": 16}", &e));
    assert_int_equal(e.status, 2);
    assert_null(linnet_graph_new("{\"nodes\": [{\"op\": \"cnov2d\", \"name\": \"a\"}]}", &e));
    assert_non_null(strstr(e.text, "cnov2d"));
}

#define TESTS(device)                                                                          \
    {                                                                                          \
        {"train on " device, train, NULL, NULL, device},                                       \
            {"filter and first map on " device, filter_and_first_map, NULL, NULL, device},     \
            {"inner tensor on " device, inner_tensor, NULL, NULL, device},                     \
            {"guided gradient on " device, guided_gradient, NULL, NULL, device},               \
            {"frozen prefix on " device, frozen_prefix_feeds_tail, NULL, NULL, device},        \
            {"mistakes on " device, mistakes_are_named, NULL, NULL, device},                   \
    }

static int setup_ref(void **state)
{
    *state = "ref";
    return setup(state);
}

static int setup_cpu(void **state)
{
    *state = "cpu";
    return setup(state);
}

int main(void)
{
    const struct CMUnitTest ref[] = TESTS("ref"), cpu[] = TESTS("cpu");
    int failed = cmocka_run_group_tests(ref, setup_ref, teardown);
    return failed + cmocka_run_group_tests(cpu, setup_cpu, teardown);
}
