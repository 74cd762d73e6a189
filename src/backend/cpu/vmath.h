/* The activations and their slopes on vectors: op/activation.def once more, in forms that are fast
 * and keep about 1e-6 of relative accuracy in single precision (vmath_test.c holds them to it). */
#ifndef BACKEND_CPU_VMATH_H
#define BACKEND_CPU_VMATH_H

#include "backend/cpu/vmask.h"
#include "op/activation.h"

/* exp(x) - 1 = 2^n (p - 1) + (2^n - 1) with x = n ln 2 + r; p(r) is Cephes' expf polynomial
 * (Moshier, netlib.org/cephes). Beyond +-87 it saturates. */
struct vexp_parts {
    vec scale, rest; /* 2^n; p - 1 */
};
ALWAYS struct vexp_parts vexp_split(vec x)
{
    const float shifter =
        12582912.0f; /* 1.5 * 2^23: its low bits receive the rounded integer */
    x = vclamp(x, -87.0f, 88.0f);
    vec t = vfma(x, vset(1.44269504088896341f), vset(shifter));
    vec n = t - vset(shifter);
    vec r = vfma(n, vset(-0.693359375f), x);
    r = vfma(n, vset(2.12194440e-4f), r);
    vec p = vset(1.9875691500e-4f);
    p = vfma(p, r, vset(1.3981999507e-3f));
    p = vfma(p, r, vset(8.3334519073e-3f));
    p = vfma(p, r, vset(4.1665795894e-2f));
    p = vfma(p, r, vset(1.6666665459e-1f));
    p = vfma(p, r, vset(5.0000001201e-1f));
    vecu scale = ((vecu)t << 23) + 0x3f800000u;
    return (struct vexp_parts){(vec)scale, vfma(p * r, r, r)};
}
ALWAYS vec vexp(vec x)
{
    struct vexp_parts e = vexp_split(x);
    return vfma(e.scale, e.rest, e.scale);
}
ALWAYS vec vexpm1(vec x)
{
    struct vexp_parts e = vexp_split(x);
    return vfma(e.scale, e.rest, e.scale - vset(1));
}
ALWAYS vec vsigmoid(vec x)
{
    return vset(1) / (vset(1) + vexp(-x));
}
ALWAYS vec vtanh(vec x)
{
    vec e = vexpm1(x + x);
    return e / (e + vset(2));
}

/* erf as x P(x^2) / Q(x^2) on [-4, 4], where it reaches +-1: the rational minimax of Eigen
 * (SpecialFunctionsImpl.h, generic_fast_erf_float). */
ALWAYS vec verf(vec x)
{
    x = vclamp(x, -4.0f, 4.0f);
    vec s = x * x;
    vec p = vset(-2.72614225801306e-10f), q = vset(-1.45660718464996e-05f);
    p = vfma(p, s, vset(2.77068142495902e-08f));
    p = vfma(p, s, vset(-2.10102402082508e-06f));
    p = vfma(p, s, vset(-5.69250639462346e-05f));
    p = vfma(p, s, vset(-7.34990630326855e-04f));
    p = vfma(p, s, vset(-2.95459980854025e-03f));
    p = vfma(p, s, vset(-1.60960333262415e-02f));
    q = vfma(q, s, vset(-2.13374055278905e-04f));
    q = vfma(q, s, vset(-1.68282697438203e-03f));
    q = vfma(q, s, vset(-7.37332916720468e-03f));
    q = vfma(q, s, vset(-1.42647390514189e-02f));
    return x * p / q;
}

/* tanh(log(1 + e)) = n / (n + 2), n = e (e + 2), e = exp(x); 1 from x = 20 on. */
struct vmish_parts {
    vec e, n;
};
ALWAYS struct vmish_parts vmish_split(vec x)
{
    vec e = vexp(vclamp(x, -87.0f, 20.0f));
    return (struct vmish_parts){e, e * (e + vset(2))};
}
ALWAYS vec vmish_slope(vec x) /* w + x (1 - w^2) sigmoid(x), w = n / (n + 2) */
{
    struct vmish_parts m = vmish_split(x);
    vec r = vset(1) / (m.n + vset(2));
    return r * vfma(vset(4) * x * m.e * (vset(1) + m.e), r, m.n);
}

/* x sigmoid(2u), u = sqrt(2 / pi) (x + 0.044715 x^3): 0.5 x (1 + tanh u). */
ALWAYS vec vgelu_tanh_gate(vec x)
{
    return vsigmoid(x * vfma(x * x, vset(0.0713548162726f), vset(1.5957691216057f)));
}
ALWAYS vec vgelu_tanh_slope(vec x)
{
    vec s = vgelu_tanh_gate(x);
    vec du = vfma(x * x, vset(0.2140644488178f), vset(1.5957691216057f));
    return vfma(x * s * (vset(1) - s), du, s);
}
ALWAYS vec vgelu_gate(vec x)
{
    return vfma(verf(x * vset(0.70710678118654752f)), vset(0.5f), vset(0.5f));
}
ALWAYS vec vsilu_slope(vec x)
{
    vec s = vsigmoid(x);
    return s * vfma(x, vset(1) - s, vset(1));
}
ALWAYS vec vbetween(vec x, vec lo, vec mid, vec hi) /* hardswish: x <= -3, between, x >= 3 */
{
    return vpick(vgt(x, vset(-3)), vpick(vgt(vset(3), x), mid, hi), lo);
}

ALWAYS vec vinside(vec x, float lo, float hi, vec slope) /* lo < x < hi ? slope : 0 */
{
    return vpick(vand(vgt(x, vset(lo)), vgt(vset(hi), x)), slope, vset(0));
}

/* f(x). kind is a constant wherever this is inlined. */
ALWAYS vec vactivate(enum activation kind, vec x)
{
    const vec zero = vset(0), sixth = vset(1.0f / 6);
    switch (kind) {
    case ACTIVATION_relu:
        return vpick(vor(vgt(x, zero), vnan(x)), x, zero);
    case ACTIVATION_leaky_relu:
        return vpick(vgt(x, zero), x, x * vset(0.01f));
    case ACTIVATION_elu:
        return vpick(vgt(x, zero), x, vexpm1(x));
    case ACTIVATION_gelu:
        return x * vgelu_gate(x);
    case ACTIVATION_gelu_tanh:
        return x * vgelu_tanh_gate(x);
    case ACTIVATION_silu:
        return x / (vset(1) + vexp(-x));
    case ACTIVATION_mish: {
        struct vmish_parts m = vmish_split(x);
        return x * m.n / (m.n + vset(2));
    }
    case ACTIVATION_hardswish:
        return vpick(vnan(x), x, vbetween(x, zero, x * (x + vset(3)) * sixth, x));
    case ACTIVATION_relu6:
        return vclamp(x, 0, 6);
    case ACTIVATION_hardsigmoid:
        return vclamp((x + vset(3)) * sixth, 0, 1);
    case ACTIVATION_sigmoid:
        return vsigmoid(x);
    case ACTIVATION_tanh:
        return vtanh(x);
    case ACTIVATION_identity:
    case ACTIVATION_COUNT:
        break;
    }
    return x;
}

/* f'(x) from x. */
ALWAYS vec vslope(enum activation kind, vec x)
{
    const vec zero = vset(0), one = vset(1), sixth = vset(1.0f / 6);
    switch (kind) {
    case ACTIVATION_relu:
        return vpick(vgt(x, zero), one, zero);
    case ACTIVATION_leaky_relu:
        return vpick(vgt(x, zero), one, vset(0.01f));
    case ACTIVATION_elu:
        return vpick(vgt(x, zero), one, vexp(x));
    case ACTIVATION_gelu:
        return vfma(x * vset(0.39894228040143268f), vexp(vset(-0.5f) * x * x), vgelu_gate(x));
    case ACTIVATION_gelu_tanh:
        return vgelu_tanh_slope(x);
    case ACTIVATION_silu:
        return vsilu_slope(x);
    case ACTIVATION_mish:
        return vmish_slope(x);
    case ACTIVATION_hardswish:
        return vbetween(x, zero, vfma(x, vset(1.0f / 3), vset(0.5f)), one);
    case ACTIVATION_relu6:
        return vinside(x, 0, 6, one);
    case ACTIVATION_hardsigmoid:
        return vinside(x, -3, 3, sixth);
    case ACTIVATION_sigmoid: {
        vec s = vsigmoid(x);
        return s * (one - s);
    }
    case ACTIVATION_tanh: {
        vec t = vtanh(x);
        return vfma(-t, t, one);
    }
    case ACTIVATION_identity:
    case ACTIVATION_COUNT:
        break;
    }
    return one;
}

/* f' from y = f(x), for the kinds that activation.def marks from_y. */
ALWAYS vec vslope_y(enum activation kind, vec y)
{
    const vec zero = vset(0), one = vset(1);
    if (kind == ACTIVATION_relu)
        return vpick(vgt(y, zero), one, zero);
    if (kind == ACTIVATION_leaky_relu)
        return vpick(vgt(y, zero), one, vset(0.01f));
    if (kind == ACTIVATION_elu)
        return vpick(vgt(y, zero), one, y + one);
    if (kind == ACTIVATION_relu6)
        return vinside(y, 0, 6, one);
    if (kind == ACTIVATION_hardsigmoid)
        return vinside(y, 0, 1, vset(1.0f / 6));
    if (kind == ACTIVATION_sigmoid)
        return y * (one - y);
    if (kind == ACTIVATION_tanh)
        return vfma(-y, y, one);
    return one;
}

#endif
