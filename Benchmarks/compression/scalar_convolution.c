/* The plain convolution that speed-ups of binary networks are often given against: no vectors, no blocks, channels last. */
#include <stddef.h>

void convolve(const float *x, const float *weights, float *y, int side, int inputs, int outputs) {
  for (int oy = 0; oy < side; oy++)
    for (int ox = 0; ox < side; ox++)
      for (int channel = 0; channel < outputs; channel++) {
        float sum = 0;
        for (int ky = 0; ky < 3; ky++)
          for (int kx = 0; kx < 3; kx++) {
            const int iy = oy + ky - 1, ix = ox + kx - 1;
            if (iy < 0 || iy >= side || ix < 0 || ix >= side) continue;
            const float *pixel = x + ((size_t)iy * side + ix) * inputs;
            const float *weight = weights + (((size_t)channel * 3 + ky) * 3 + kx) * inputs;
            for (int i = 0; i < inputs; i++) sum += pixel[i] * weight[i];
          }
        y[((size_t)oy * side + ox) * outputs + channel] = sum;
      }
}
