#include "train/metrics.h"

#include <math.h>
#include <string.h>

bool metrics_init(struct metrics *m, int n_class, struct err *e)
{
    *m = (struct metrics){.n_class = n_class};
    m->confusion = mem_new((size_t)n_class * (size_t)n_class, sizeof(*m->confusion), e);
    m->scratch = mem_new((size_t)n_class, sizeof(*m->scratch), e);
    if (m->confusion && m->scratch)
        return true;
    metrics_release(m);
    return false;
}

void metrics_release(struct metrics *m)
{
    mem_free(m->confusion);
    mem_free(m->scratch);
    *m = (struct metrics){0};
}

void metrics_clear(struct metrics *m)
{
    size_t cells = (size_t)m->n_class * (size_t)m->n_class;
    memset(m->confusion, 0, cells * sizeof(*m->confusion));
    memset(m->bin, 0, sizeof(m->bin));
    m->n = m->top1 = m->top5 = 0;
    m->loss = 0;
}

double softmax_row(const float *logits, int n, double *p)
{
    double max = -INFINITY, sum = 0;
    for (int i = 0; i < n; i++)
        max = logits[i] > max ? (double)logits[i] : max;
    for (int i = 0; i < n; i++)
        sum += p[i] = exp((double)logits[i] - max);
    for (int i = 0; i < n; i++)
        p[i] /= sum;
    return max + log(sum);
}

/* Classes ahead of `label`: a larger logit, or an equal one of a lower class. */
static int rank_of(const float *logits, int n, int label)
{
    int ahead = 0;
    for (int i = 0; i < n; i++)
        ahead += logits[i] > logits[label] || (logits[i] == logits[label] && i < label);
    return isnan(logits[label]) ? n : ahead;
}

static int best_of(const double *p, int n)
{
    int best = 0;
    for (int i = 1; i < n; i++)
        if (p[i] > p[best])
            best = i;
    return best;
}

static void add_row(struct metrics *m, const float *logits, int label)
{
    double *p = m->scratch;
    double loss = softmax_row(logits, m->n_class, p) - (double)logits[label];
    int rank = rank_of(logits, m->n_class, label), best = best_of(p, m->n_class);
    bool sane = p[label] == p[label];
    m->n++;
    m->top1 += rank == 0;
    m->top5 += rank < 5;
    m->loss += sane ? loss : INFINITY;
    m->confusion[label * m->n_class + best]++;
    if (!sane)
        return;
    int at = (int)ceil(p[best] * METRICS_BINS) - 1; /* bins (k/15, (k+1)/15] */
    struct metrics_bin *bin = &m->bin[at < 0 ? 0 : at >= METRICS_BINS ? METRICS_BINS - 1 : at];
    bin->n++;
    bin->right += rank == 0;
    bin->confidence += p[best];
}

void metrics_add(struct metrics *m, const float *logits, const int *label, int n)
{
    for (int i = 0; i < n; i++)
        add_row(m, logits + (size_t)i * (size_t)m->n_class, label[i]);
}

static double mean(double sum, int64_t n)
{
    return n ? sum / (double)n : 0;
}

double metrics_loss(const struct metrics *m)
{
    return mean(m->loss, m->n);
}

double metrics_top1(const struct metrics *m)
{
    return mean((double)m->top1, m->n);
}

double metrics_top5(const struct metrics *m)
{
    return mean((double)m->top5, m->n);
}

double metrics_calibration_error(const struct metrics *m)
{
    double sum = 0;
    for (int i = 0; i < METRICS_BINS; i++)
        sum += fabs((double)m->bin[i].right - m->bin[i].confidence);
    return mean(sum, m->n);
}

struct class_metrics metrics_class(const struct metrics *m, int c)
{
    struct class_metrics out = {0};
    int64_t right = m->confusion[c * m->n_class + c], predicted = 0;
    for (int i = 0; i < m->n_class; i++) {
        out.support += m->confusion[c * m->n_class + i];
        predicted += m->confusion[i * m->n_class + c];
    }
    out.precision = mean((double)right, predicted);
    out.recall = mean((double)right, out.support);
    out.f1 = mean(2.0 * (double)right, predicted + out.support);
    return out;
}

void metrics_write_json(const struct metrics *m, const char *const *class_name,
                        struct json_writer *w)
{
    json_put_int(w, "pictures", m->n);
    json_put_real(w, "top1", metrics_top1(m));
    json_put_real(w, "top5", metrics_top5(m));
    json_put_real(w, "loss", metrics_loss(m));
    json_put_real(w, "calibration_error", metrics_calibration_error(m));
    json_open(w, "classes", '[');
    for (int c = 0; c < m->n_class; c++) {
        struct class_metrics k = metrics_class(m, c);
        json_open(w, NULL, '{');
        json_put_text(w, "name", class_name[c]);
        json_put_int(w, "support", k.support);
        json_put_real(w, "precision", k.precision);
        json_put_real(w, "recall", k.recall);
        json_put_real(w, "f1", k.f1);
        json_close(w, '}');
    }
    json_close(w, ']');
    json_open(w, "confusion", '[');
    for (int c = 0; c < m->n_class; c++) {
        json_open(w, NULL, '[');
        for (int k = 0; k < m->n_class; k++)
            json_put_int(w, NULL, m->confusion[c * m->n_class + k]);
        json_close(w, ']');
    }
    json_close(w, ']');
}
