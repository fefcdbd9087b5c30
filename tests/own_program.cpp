// [snippet: own_program]
// xor.cpp: a network of 17 numbers learns that exactly one of two inputs is on.
#include <heed.h>
#include <iostream>

int main() {
  heed::manual_seed(0);
  heed::Sequential net(heed::Linear(2, 4), heed::Tanh(), heed::Linear(4, 1));
  heed::Adam adam(net.named_parameters(), {.lr = 0.1});

  heed::Tensor x = heed::tensor({0, 0, 0, 1, 1, 0, 1, 1}, {4, 2});
  heed::Tensor y = heed::tensor({0, 1, 1, 0}, {4, 1});
  for (int step = 0; step < 200; ++step) {
    heed::Tensor loss = heed::mse_loss(net(x), y);
    adam.zero_grad();
    loss.backward();
    adam.step();
    if (step % 50 == 49) std::cout << "step " << step + 1 << ": loss " << loss.item() << "\n";
  }
  std::cout << net(x) << "\n";
}
// [end]
