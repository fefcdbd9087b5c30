// Question: how can one pixel of an image ask another, however far away, and be answered?
// Command:  make lesson-03            (ARGS="--pixel 2,5" and more, see --help)
// Seconds:  about 6
// Expected: every question answered with the block of attention, and a quarter, by chance,
//           without it; the weights lie on the pixel that has the answer.
#include <charconv>
#include "errata.h"
#include "lessons/support/line_chart.h"
#include "lessons/support/options.h"
#include "lessons/support/weights.h"
#include "picture.h"

using namespace heed;
using namespace lesson_03;

struct Settings : CommonSettings {
  int steps = 1000, seeds = 1, channels = 32, image = 0;
  double lr = 0.007;
  std::string pixel = "first";  // the image's first question
  bool claims = true;           // the numbers of the text hold for these settings only
};

// ---- The task

static void show_task(const Images& train, const Images& test) {
  say("The task: a pixel marked ? asks for the colour of the other pixel with its letter");
  say_text(as_text(test.images[0], test.W));
  say("    %d images to train on, %d to test, of 8 x 8 pixels in %d channels; %d questions "
      "each",
      train.count(), test.count(), CHANNELS, PAIRS);
  Baselines b = baselines(train, test);
  say("    right of the %d test questions without looking at the twin:", b.questions);
  say("      chance                                         25.00 %%");
  say("      the colour that is asked for most in training  %5.2f %%", 100 * b.constant);
  say("      the pixel's own (false) colour                 %5.2f %%", 100 * b.own);
  say("      the commonest colour of the image              %5.2f %%", 100 * b.image);
  say("      the commonest among the image's six sources    %5.2f %%", 100 * b.sources);
  say();
}

// One training run and what came of it. The weights, and the order of the batches, start from
// the seed; the images are the same for all seeds.
struct Outcome {
  Network net;
  TrainingLog log;
  Score score;
};

static Outcome run(const Settings& settings, Kind kind, const Images& pool, const Images& test,
                   uint64_t seed, const char* name) {
  manual_seed(seed);
  Outcome result{Network(settings.channels, kind), {}, {}};
  Trainer trainer(result.net, pool, seed, settings.lr);
  Progress bar(name, settings.steps);
  for (int step = 1; step <= settings.steps; ++step) {
    result.log.loss.push_back(trainer.step());
    if (result.net.block) result.log.gamma.push_back(double(result.net.block->gamma.item()));
    bar.step(formatted("loss %.4f", result.log.loss.back()));
  }
  result.score = score(result.net, test);
  return result;
}

// Means and worst cases over seeds.
struct Scores {
  std::vector<Score> all;
  double mean(double Score::*what) const {
    double sum = 0;
    for (const Score& s : all) sum += s.*what;
    return sum / double(all.size());
  }
  double least(double Score::*what) const {
    double least = all[0].*what;
    for (const Score& s : all) least = std::min(least, s.*what);
    return least;
  }
  double most(double Score::*what) const {
    double most = all[0].*what;
    for (const Score& s : all) most = std::max(most, s.*what);
    return most;
  }
};

static void print_row(const char* name, const Scores& s, bool attends) {
  if (attends)
    say("    %-30s %6.2f (%6.2f) %6.2f (%6.2f) %6.4f (%.4f) %7.4f", name,
        100 * s.mean(&Score::right), 100 * s.least(&Score::right), 100 * s.mean(&Score::top),
        100 * s.least(&Score::top), s.mean(&Score::mass), s.least(&Score::mass),
        s.mean(&Score::self));
  else
    say("    %-30s %6.2f (%6.2f)", name, 100 * s.mean(&Score::right),
        100 * s.least(&Score::right));
}

struct Table {
  std::vector<Outcome> firsts;  // of the first seed: a row each
  std::vector<Scores> scores;
};

// Four ways, each trained from every seed. The images without false colours are the same ones
// but for that.
static Table train_all(const Settings& settings, const Images& pool, const Images& test) {
  const struct {
    const char* name;
    Kind kind;
    bool false_colour;
  } rows[] = {{"block, as in the code", Kind::unscaled, true},
              {"block, scaled, as in the prose", Kind::scaled, true},
              {"no block", Kind::no_block, true},
              {"block, no false colour", Kind::unscaled, false}};
  Images plain_pool = draw_images(1, pool.count(), 8, 8, false);
  Images plain_test = draw_images(2, test.count(), 8, 8, false);
  Table table;
  say("Training: %d steps of 32 images, Adam(%g); mean (worst) of %d seed%s on the test images",
      settings.steps, settings.lr, settings.seeds, settings.seeds == 1 ? "" : "s");
  say("    %-30s %15s %15s %15s %7s", "", "right, %", "top, %", "mass", "itself");
  for (const auto& row : rows) {
    Scores scores;
    std::string details;
    for (int i = 0; i < settings.seeds; ++i) {
      uint64_t seed = settings.seed + uint64_t(i);
      Outcome o = run(settings, row.kind, row.false_colour ? pool : plain_pool,
                      row.false_colour ? test : plain_test, seed, row.name);
      scores.all.push_back(o.score);
      if (o.net.block)
        details += formatted(
            "      seed %2lld: right %6.2f  top %6.2f  mass %.4f  itself %.4f"
            "  gamma %6.3f  learned by step %d\n",
            (long long)seed, 100 * o.score.right, 100 * o.score.top, o.score.mass, o.score.self,
            o.log.gamma.back(), o.log.learned_at());
      if (i == 0) table.firsts.push_back(std::move(o));
    }
    print_row(row.name, scores, row.kind != Kind::no_block);
    if (settings.seeds > 1) say_text(details);
    table.scores.push_back(std::move(scores));
  }
  say();
  return table;
}

static void check_the_table(const Table& table, Checks& checks) {
  for (int row : {0, 1})
    checks.check(
        table.scores[size_t(row)].least(&Score::right) >= 0.999 &&
            table.scores[size_t(row)].least(&Score::top) >= 0.99,
        "%s: at least 99.9 %% right, at least 99 %% of the largest weights on the twin",
        row == 0 ? "unscaled" : "scaled");
  checks.check(table.scores[0].least(&Score::mass) >= 0.94,
               "unscaled: at least 0.94 of the weight on the twin");
  checks.check(
      table.scores[2].least(&Score::right) > 0.23 && table.scores[2].most(&Score::right) < 0.27,
      "without the block: a quarter right, which is chance");
  checks.check(table.scores[3].least(&Score::right) >= 0.999 &&
                   table.scores[3].mean(&Score::mass) < table.scores[0].mean(&Score::mass),
               "without the false colour: as many right, but less weight on the twin");
}

// ---- What was learned

static void show_paths(const Settings& settings, const Table& table, Checks& checks) {
  const TrainingLog &with = table.firsts[0].log, &without = table.firsts[2].log;
  say("gamma's path: it wavers about 0 until the block is of use");
  say("     step    gamma     loss");
  for (int step : {1, 3, 11, 51, 101, 151, 201, 301, 501, 1000})
    if (step <= settings.steps)
      say("    %5d  %7.3f  %7.4f", step, with.gamma[size_t(step - 1)],
          with.loss[size_t(step - 1)]);
  say("    learned by step %d; a network that knows nothing pays ln 4 = %.4f",
      with.learned_at(), -exact::log(1. / COLOURS));
  say();
  LineChart gamma{"gamma while training", "step", "gamma", {{"gamma", with.gamma}}, {}, {}};
  LineChart loss{"Loss with and without the block",
                 "step",
                 "mean cross-entropy",
                 {{"with the block", with.loss}, {"without", without.loss}},
                 0.,
                 {}};
  print(gamma);
  say();
  write_svg(gamma, settings.out + "/gamma.svg");
  write_svg(loss, settings.out + "/loss.svg");
  write_csv({"",
             "step",
             "",
             {{"loss", with.loss}, {"gamma", with.gamma}, {"without", without.loss}},
             {},
             {}},
            settings.out + "/training.csv");
  if (settings.claims)
    checks.check(std::abs(with.gamma.back()) > 0.5, "gamma ends far from 0: |gamma| > 0.5");
}

// Nothing in the network depends on the number of pixels, so it can be asked about any.
static void other_sizes(const Settings& settings, const Network& net, Checks& checks) {
  say("The same weights on images of other sizes, 200 each");
  say("     size   right, %%  top, %%    mass");
  double worst = 1;
  for (auto [H, W] : {std::pair(8, 8), {6, 12}, {12, 6}, {5, 16}, {12, 12}, {16, 16}}) {
    Score s = score(net, draw_images(3, 200, H, W));
    say("    %2d x %-2d  %7.2f  %7.2f  %.4f", H, W, 100 * s.right, 100 * s.top, s.mass);
    worst = std::min({worst, s.right, s.top});
  }
  if (settings.claims)
    checks.check(worst >= 0.99, "trained on 8 x 8, right on every other size");
  say();
}

// Where one pixel looks, and all six questions of the image.
static void show_maps(const Settings& settings, const Table& table, const Images& test, int p,
                      Checks& checks) {
  const Network& net = table.firsts[0].net;
  const Image& image = test.images[size_t(settings.image)];
  HeatMap map = map_of(net, test, settings.image, p);
  map.title =
      formatted("Image %d, pixel (%d, %d): where it looks%s", settings.image, p / test.W,
                p % test.W, image[size_t(p)].asks() ? " (T: its twin)" : "");
  print(map);
  say();
  std::vector<HeatMap> all;
  for (int q : questions(image)) all.push_back(map_of(net, test, settings.image, q));
  write_file(settings.out + "/image.svg", as_svg(image, test.H, test.W));
  write_svg(map, settings.out + "/pixel.svg");
  write_svg(all, "Where the six questions look (T: the twin)", 3,
            settings.out + "/questions.svg");
  HeatMap sink =
      map_of(table.firsts[3].net, draw_images(2, test.count(), 8, 8, false), settings.image, p);
  map.title = "Questions with a false colour";
  sink.title = "Without: the sink";
  write_svg({map, sink}, formatted("Where pixel (%d, %d) looks", p / test.W, p % test.W), 2,
            settings.out + "/sink.svg");
  bool on_twins = true;
  for (const HeatMap& m : all)
    on_twins = on_twins &&
               m.values[m.marks[1].cell] == *std::max_element(m.values.begin(), m.values.end());
  if (settings.claims)
    checks.check(on_twins, "image %d: every question's largest weight is on its twin",
                 settings.image);
}

// "y,x" -> the pixel's number
static int chosen_pixel(const Settings& settings, const Images& test) {
  if (settings.pixel == "first") return questions(test.images[size_t(settings.image)])[0];
  const char *row = settings.pixel.data(), *end = row + settings.pixel.size();
  int y = -1, x = -1;  // a number that no int can hold leaves it so
  const char* comma = std::from_chars(row, end, y).ptr;
  const char* column = comma != row && comma != end && *comma == ',' ? comma + 1 : end;
  const char* rest = std::from_chars(column, end, x).ptr;
  HEED_CHECK(rest != column && rest == end, "[--pixel] '", settings.pixel,
             "': row and column wanted, such as --pixel 2,5");
  HEED_CHECK(y >= 0 && y < test.H && x >= 0 && x < test.W, "[--pixel] ", settings.pixel,
             ": outside the image, whose rows and columns go from 0 to ", test.H - 1);
  return y * test.W + x;
}

// ---- The lesson

static void mistakes(Checks& checks) {
  say("What the document gets wrong, and what gives it away");
  prose_and_code(checks);
  few_channels(checks);
  scores_or_output(checks);
  say();
  say("Four mistakes that are often made with this block");
  elementwise(checks);
  swapped_names(checks);
  comment_and_shape(checks);
  wrong_axis(checks);
  say();
}

static int lesson(const Settings& settings) {
  Images pool = draw_images(1, 4000), test = draw_images(2, 1000);
  int pixel = chosen_pixel(settings, test);
  Network(settings.channels, Kind::unscaled);  // fewer than 8 are refused before any work
  Checks checks;
  step_1(checks);
  step_2(checks);
  step_3(checks);
  step_4(checks);
  mistakes(checks);

  show_task(pool, test);
  Table table = train_all(settings, pool, test);
  if (settings.claims) check_the_table(table, checks);
  say();
  show_paths(settings, table, checks);
  other_sizes(settings, table.firsts[0].net, checks);
  show_maps(settings, table, test, pixel, checks);
  say();

  std::vector<const Module*> models;
  for (const Outcome& o : table.firsts) models.push_back(&o.net);
  int status = checks.finish();
  say_weights(models);
  return status;
}

int main(int argc, char** argv) {
  Settings settings;
  Options options("lesson-03", "Pixels that ask distant pixels: self-attention over a map.",
                  settings);
  options.add("--steps", settings.steps, {20, 100000}, "training steps");
  options.add("--lr", settings.lr, {0, 10}, "learning rate");
  options.add("--seeds", settings.seeds, {1, 100}, "seeds that the table is taken over");
  options.add("--channels", settings.channels, {1, 512}, "channels C of the map, 8 or more");
  options.add("--image", settings.image, {0, 999}, "the test image whose maps are drawn");
  options.add("--pixel", settings.pixel, "Y,X",
              "the pixel whose map is drawn; first: the first that asks");
  return run_lesson(argc, argv, options, [&] {
    for (const char* name : {"--seed", "--steps", "--lr", "--channels"})
      settings.claims = settings.claims && !options.given(name);
    return lesson(settings);
  });
}
