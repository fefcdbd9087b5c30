// Lesson 01's training step in C++ on libtorch, PyTorch's own library. Compiled and driven by
// peers.py, whose head explains the protocol: a name on stdin, one line of microseconds back.
#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <string>
#include <vector>

namespace {

// The document's samples in their order, as 25 batches of ten: inputs (10, 10), labels (10).
std::vector<std::pair<torch::Tensor, torch::Tensor>> make_batches() {
  const std::string letters = "ABCDEFGHIGKLMNOPQRSTUVWXYZ";
  std::vector<float> inputs;
  std::vector<int64_t> labels;
  for (char start : letters) {
    const std::string rest = letters.substr(letters.find(start));
    for (size_t i = 0; i + 10 <= rest.size(); i += 10) {
      const std::string window = rest.substr(i, 10);
      for (char hidden : window) {
        std::vector<float> numbers(10, 0);
        for (char z : window)
          numbers[window.find(z)] = z == hidden ? 27 : float(letters.find(z));
        inputs.insert(inputs.end(), numbers.begin(), numbers.end());
        labels.push_back(int64_t(letters.find(hidden)));
      }
    }
  }
  const auto x = torch::tensor(inputs).view({-1, 10, 10});
  const auto y = torch::tensor(labels).view({-1, 10});
  std::vector<std::pair<torch::Tensor, torch::Tensor>> batches;
  for (int64_t i = 0; i < x.size(0); i++) batches.emplace_back(x[i].clone(), y[i].clone());
  return batches;
}

struct Training {
  std::vector<std::pair<torch::Tensor, torch::Tensor>> batches = make_batches();
  torch::nn::Sequential model;
  torch::optim::Adam adam;
  size_t next = 0;

  static torch::nn::Sequential make_model() {
    torch::manual_seed(0);
    torch::nn::Sequential layers;  // one by one: each draws its weights in turn
    layers->push_back(torch::nn::Linear(10, 100));
    layers->push_back(torch::nn::ReLU(true));
    layers->push_back(torch::nn::BatchNorm1d(100));
    layers->push_back(torch::nn::Linear(100, 26));
    return layers;
  }

  Training()
      : model(make_model()),
        adam(model->parameters(), torch::optim::AdamOptions(0.001).weight_decay(0.0001)) {}

  torch::Tensor step() {
    const auto& [x, y] = batches[next++ % batches.size()];
    torch::Tensor loss = torch::cross_entropy_loss(model->forward(x), y);
    adam.zero_grad();
    loss.backward();
    adam.step();
    return loss;
  }
};

// Best and median over five blocks of about 20 ms, microseconds a call.
template <class F> void measure(const std::string& name, const F& f) {
  using Clock = std::chrono::steady_clock;
  auto block = [&](int n) {
    const auto start = Clock::now();
    for (int i = 0; i < n; i++) f();
    return std::chrono::duration<double, std::micro>(Clock::now() - start).count() / n;
  };
  block(250);
  const int n = std::max(1, int(20000 / block(10)));
  std::vector<double> times;
  for (int i = 0; i < 5; i++) times.push_back(block(n));
  std::sort(times.begin(), times.end());
  std::cout << name << ' ' << times[0] << ' ' << times[2] << std::endl;
}

}  // namespace

int main() {
  at::set_num_threads(1);
  at::set_num_interop_threads(1);
  Training training;
  for (std::string name; std::getline(std::cin, name);) {
    if (name == "losses") {
      Training fresh;
      std::cout << "losses";
      for (int i = 0; i < 3; i++) std::cout << ' ' << fresh.step().item<float>();
      std::cout << std::endl;
    } else if (name == "about") {
      std::cout << "about libtorch " << TORCH_VERSION << std::endl;
    } else if (name == "step") {
      measure(name, [&] { training.step(); });
    } else {
      std::cout << name << " absent" << std::endl;
    }
  }
}
