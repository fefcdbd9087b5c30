// The dates of lessons 04 and 06: every day in every form, read back by other means.
#include "lessons/support/dates.h"
#include "lessons/support/hash.h"
#include "tests/expect_error.h"
#include <doctest/doctest.h>
#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>
#include <tuple>

using namespace heed;
using namespace heed_tests;

namespace {

struct Ymd {
  int year, month, day;
  bool operator==(const Ymd&) const = default;
};

bool leap(int year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

// The calendar by counting.
std::vector<Ymd> calendar() {
  const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  std::vector<Ymd> days;
  for (int year = 1930; year <= 2029; ++year)
    for (int month = 1; month <= 12; ++month)
      for (int day = 1; day <= lengths[month - 1] + (month == 2 && leap(year)); ++day)
        days.push_back({year, month, day});
  return days;
}

bool digits(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789") == text.npos;
}

// What a lower-cased piece of a date names; -1: nothing.
int named_year(const std::string& piece) {
  if (!digits(piece)) return -1;
  int number = std::stoi(piece);
  if (piece.size() == 4) return number;
  return piece.size() != 2 ? -1 : number < 30 ? 2000 + number : 1900 + number;
}

int named_month(const std::string& piece) {
  static const char* names[] = {"january",   "february", "march",    "april",
                                "may",       "june",     "july",     "august",
                                "september", "october",  "november", "december"};
  if (digits(piece) && piece.size() <= 2) return std::stoi(piece);
  if (piece == "sept") return 9;
  for (int month = 1; month <= 12; ++month) {
    std::string name = names[month - 1];
    if (piece == name || piece == name.substr(0, 3)) return month;
  }
  return -1;
}

int named_day(const std::string& piece) {
  static const char* ordinals[] = {
      "1st",  "2nd",  "3rd",  "4th",  "5th",  "6th",  "7th",  "8th",  "9th",  "10th", "11th",
      "12th", "13th", "14th", "15th", "16th", "17th", "18th", "19th", "20th", "21st", "22nd",
      "23rd", "24th", "25th", "26th", "27th", "28th", "29th", "30th", "31st"};
  if (digits(piece) && piece.size() <= 2) return std::stoi(piece);
  for (int day = 1; day <= 31; ++day)
    if (piece == ordinals[day - 1]) return day;
  return -1;
}

bool is_upper(const std::string& text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

std::string piece(const std::string& text, Span span) {
  return text.substr(size_t(span.first), size_t(span.last - span.first));
}

std::string lowered(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = char(c - 'A' + 'a');
  return text;
}

// The date that the three pieces name.
Ymd named(const WrittenDate& date) {
  std::string text = lowered(date.text);
  return {named_year(piece(text, date.year)), named_month(piece(text, date.month)),
          named_day(piece(text, date.day))};
}

// Calls f(day, form, sept) for all there are: Sept only in September.
template <class F> void each_date(F f) {
  std::vector<Ymd> days = calendar();
  for (int day = 0; day < DATE_DAYS; ++day)
    for (int form = 0; form < DATE_FORMS; ++form)
      for (bool sept : {false, true})
        if (!sept || days[size_t(day)].month == 9) f(day, form, sept);
}

// The weekday that a lower-cased text begins with; 0: Monday; -1: none.
int named_weekday(const std::string& text) {
  static const char* names[] = {"monday", "tuesday",  "wednesday", "thursday",
                                "friday", "saturday", "sunday"};
  size_t end = text.find_first_not_of("abcdefghijklmnopqrstuvwxyz");
  std::string word = text.substr(0, end);
  for (int i = 0; i < 7; ++i) {
    std::string name = names[i];
    if (word == name || word == name.substr(0, 3)) return i;
  }
  return -1;
}

std::vector<DateLine> drawn(int count, Days days, int dates, uint64_t seed) {
  Generator random(seed);
  std::vector<DateLine> lines;
  for (int i = 0; i < count; ++i) lines.push_back(draw_date_line(random, days, dates));
  return lines;
}

// "1979-05-03 2005-06-18" -> its days' numbers
std::vector<int> days_of(const std::string& target) {
  static const std::map<std::string, int> numbers = [] {
    std::map<std::string, int> all;
    for (int day = 0; day < DATE_DAYS; ++day) all[iso_date(day)] = day;
    return all;
  }();
  std::vector<int> days;
  for (size_t at = 0; at < target.size(); at += 11)
    days.push_back(numbers.at(target.substr(at, 10)));
  return days;
}

}  // namespace

TEST_CASE("dates: the calendar's days and their ISO form") {
  std::vector<Ymd> days = calendar();
  REQUIRE(int(days.size()) == DATE_DAYS);
  for (int day = 0; day < DATE_DAYS; ++day) {
    std::string iso = iso_date(day);
    REQUIRE(iso.size() == 10);
    Ymd read = {std::stoi(iso.substr(0, 4)), std::stoi(iso.substr(5, 2)),
                std::stoi(iso.substr(8, 2))};
    if (!(read == days[size_t(day)]) || iso[4] != '-' || iso[7] != '-') FAIL_CHECK(iso);
  }
  CHECK(iso_date(0) == "1930-01-01");
  CHECK(iso_date(DATE_DAYS - 1) == "2029-12-31");
}

TEST_CASE("dates: in every form of every day the spans name year, month and day") {
  std::vector<Ymd> days = calendar();
  int wrong = 0;
  std::string first_wrong;
  each_date([&](int day, int form, bool sept) {
    WrittenDate date = write_date(day, form, sept);
    int weekday = named_weekday(lowered(date.text));  // 1930-01-01 was a Wednesday
    bool right = named(date) == days[size_t(day)] && (weekday < 0 || weekday == (day + 2) % 7);
    if (!right && wrong++ == 0) first_wrong = date.text;
  });
  CHECK_MESSAGE(wrong == 0, wrong, " dates, the first one is ", first_wrong);
}

TEST_CASE("dates: no text has two meanings, and there are as many texts as there should be") {
  struct Text {
    uint64_t hash;
    int day, size;
    bool sept;
  };
  std::vector<Text> texts;
  each_date([&](int day, int form, bool sept) {
    std::string text = lowered(write_date(day, form, sept).text);
    texts.push_back({fnv1a(text.data(), text.size()), day, int(text.size()), sept});
  });
  std::sort(texts.begin(), texts.end(), [](const Text& a, const Text& b) {
    return std::tie(a.hash, a.day, a.sept) < std::tie(b.hash, b.day, b.sept);
  });
  int two_meanings = 0, different = 0, without_sept = 0, shortest = 99, longest = 0;
  int64_t characters = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    bool again = i > 0 && texts[i].hash == texts[i - 1].hash;
    if (again) {
      two_meanings += texts[i].day != texts[i - 1].day;
      continue;
    }
    ++different;
    shortest = std::min(shortest, texts[i].size), longest = std::max(longest, texts[i].size);
    if (texts[i].sept) continue;
    ++without_sept;
    characters += texts[i].size;
  }
  CHECK(two_meanings == 0);
  CHECK(different == 1950125);  // this and what follows: from a second program, in Python
  CHECK(without_sept == 1896125);
  CHECK(characters == 26278933);
  CHECK(shortest == 6);
  CHECK(longest == 37);
}

TEST_CASE("dates: with slashes the month comes first, with dots the day, unless a year does") {
  int slashes = 0, dots = 0;
  for (int form = 0; form < DATE_FORMS; ++form) {
    WrittenDate date = write_date(0, form);
    if (!digits(piece(date.text, date.month))) continue;
    CAPTURE(date.text);
    bool slash = date.text.find('/') != date.text.npos;
    bool dot = date.text.find('.') != date.text.npos;
    slashes += slash, dots += dot;
    bool year_first = date.year.first == 0, day_first = date.day.first < date.month.first;
    CHECK(day_first == (dot && !year_first));
    if (!slash && !dot) CHECK(year_first);
    if (year_first) CHECK(date.year.last == 4);
  }
  CHECK(slashes == 9);
  CHECK(dots == 6);
}

TEST_CASE("dates: the forms, by example") {
  std::set<std::string> forms;
  for (int form = 0; form < DATE_FORMS; ++form) forms.insert(write_date(18019, form).text);
  for (const char* text :
       {"3 May 1979", "the 3rd of May 1979", "03-May-79", "Thu, 03 May 1979", "Thu 3rd May '79",
        "Thursday the 3rd of May, 1979", "May. 3, 1979", "Thursday, May 3, 1979", "May-03-1979",
        "1979, May 3rd", "5/3/79", "Thursday 05/03/1979", "3.5.1979", "1979.05.03", "19790503"})
    CHECK_MESSAGE(forms.count(text), text);
  CHECK(iso_date(18019) == "1979-05-03");
  CHECK(forms.size() == 51);  // May is May's short name, too
}

TEST_CASE("dates: a line's spans lead from each digit of the target to its piece") {
  for (int dates : {1, 2, 3})
    for (const DateLine& line : drawn(3000, Days::training, dates, 1)) {
      CAPTURE(line.source);
      REQUIRE(line.target.size() == size_t(11 * dates - 1));
      REQUIRE(line.spans.size() == line.target.size());
      int end = 0;  // of what has been read
      for (size_t at = 0; at < line.target.size(); at += 11) {
        const Span* spans = &line.spans[at];
        WrittenDate date{lowered(line.source), spans[0], spans[5], spans[8]};
        std::string iso = line.target.substr(at, 10);
        CHECK(named(date) ==
              Ymd{std::stoi(iso), std::stoi(iso.substr(5)), std::stoi(iso.substr(8))});
        for (size_t i : {1, 2, 3}) CHECK(spans[i] == spans[0]);
        CHECK(spans[6] == spans[5]);
        CHECK(spans[9] == spans[8]);
        for (size_t i : {4, 7}) CHECK(spans[i] == Span());
        if (at > 0) CHECK(spans[-1] == Span());
        CHECK(std::min({spans[0].first, spans[5].first, spans[8].first}) >= end);
        end = std::max({spans[0].last, spans[5].last, spans[8].last});
      }
    }
}

TEST_CASE("dates: half of the lines are as written, 40 % in lower case, 10 % in upper case") {
  int count = 0, lower = 0, upper = 0;
  for (const DateLine& line : drawn(20000, Days::training, 2, 2)) {
    std::string month = piece(line.source, line.spans[5]);
    if (digits(month)) continue;  // perhaps no letter in the line
    ++count;
    bool small = line.source == lowered(line.source), capital = is_upper(line.source);
    CHECK(small + capital + (month[0] < 'a' && month[1] >= 'a') == 1);  // Feb, in a mixed line
    lower += small, upper += capital;
  }
  CHECK(count / 20000.0 == doctest::Approx(36.0 / 54).epsilon(0.02));
  CHECK(lower / double(count) == doctest::Approx(0.4).epsilon(0.03));
  CHECK(upper / double(count) == doctest::Approx(0.1).epsilon(0.05));
}

TEST_CASE("dates: days, forms, Sep and Sept, and joints have even odds") {
  std::vector<int> decades(10);
  std::vector<double> forms(DATE_FORMS);
  std::map<std::string, int> months, joints;
  for (const DateLine& line : drawn(20000, Days::training, 1, 3)) {
    int day = days_of(line.target)[0];
    ++decades[size_t(day * 10 / DATE_DAYS)];
    std::string text = lowered(line.source);
    ++months[piece(text, line.spans[5])];
    std::vector<size_t> possible;  // 3 May 1979 and 12/24/1979 are each in two forms
    for (int form = 0; form < DATE_FORMS; ++form)
      if (text == lowered(write_date(day, form, false).text) ||
          text == lowered(write_date(day, form, true).text))
        possible.push_back(size_t(form));
    for (size_t form : possible) forms[form] += 1.0 / double(possible.size());
  }
  for (int decade : decades) CHECK(std::abs(decade - 2000) < 150);
  for (double form : forms) CHECK(std::abs(form - 20000.0 / DATE_FORMS) < 70);
  CHECK(months["sep"] + months["sept"] > 450);  // about 550
  CHECK(std::abs(months["sep"] - months["sept"]) < 80);
  for (const DateLine& line : drawn(6000, Days::training, 2, 4))
    for (const char* joint : {"; ", " and ", " & "})
      joints[joint] += lowered(line.source).find(joint) != line.source.npos;
  int joined = 0;
  for (const auto& joint : joints) {
    CHECK(std::abs(joint.second - 2000) < 150);
    joined += joint.second;
  }
  CHECK(joined == 6000);
}

TEST_CASE("dates: training and test share no day") {
  std::set<int> seen[2];
  for (Days days : {Days::training, Days::test})
    for (const DateLine& line : drawn(20000, days, 3, 5))
      for (int day : days_of(line.target)) {
        seen[days == Days::test].insert(day);
        CHECK(is_test_day(day) == (days == Days::test));
      }
  CHECK(seen[0].size() > 27000);  // of 32873
  CHECK(seen[1].size() == 3652);  // all of them
  int tests = 0;
  for (int day = 0; day < DATE_DAYS; ++day) tests += is_test_day(day);
  CHECK(tests == 3652);
}

TEST_CASE("dates: the same seed gives the same lines; the test lines are always the same") {
  std::vector<DateLine> lines = drawn(50, Days::training, 2, 6);
  std::vector<DateLine> again = drawn(50, Days::training, 2, 6);
  std::vector<DateLine> others = drawn(50, Days::training, 2, 7);
  int equal = 0;
  for (size_t i = 0; i < lines.size(); ++i) {
    CHECK(lines[i].source == again[i].source);
    CHECK(lines[i].target == again[i].target);
    CHECK(lines[i].spans == again[i].spans);
    equal += lines[i].source == others[i].source;
  }
  CHECK(equal == 0);

  std::vector<DateLine> tests = test_date_lines(2000);
  std::vector<DateLine> fewer = test_date_lines(500);
  std::set<std::string> sources;
  for (const DateLine& line : tests) {
    CHECK(is_test_day(days_of(line.target).at(0)));
    sources.insert(line.source);
  }
  CHECK(sources.size() == 2000);
  REQUIRE(fewer.size() == 500);
  for (size_t i = 0; i < 500; ++i) CHECK(fewer[i].source == tests[i].source);
  uint64_t hash = fnv1a(nullptr, 0);
  for (const DateLine& line : tests) hash = fnv1a(line.source.data(), line.source.size(), hash);
  CHECK(hash == 12205818867626907218u);
  CHECK(days_of(test_date_lines(1, 3).at(0).target).size() == 3);
  CHECK(test_date_lines(0).empty());
}

TEST_CASE("dates: the vocabularies have every character that occurs, and no other") {
  std::set<std::string> source = {"<pad>"}, target = {"<pad>", "<bos>", "<eos>"};
  auto add = [](std::set<std::string>& to, const std::string& text) {
    for (char c : text) to.insert(std::string(1, c));
  };
  each_date([&](int day, int form, bool sept) {
    if (day > 400) return;
    std::string text = write_date(day, form, sept).text;
    add(source, text), add(source, lowered(text)), add(target, iso_date(day));
  });
  for (const DateLine& line : drawn(3000, Days::training, 2, 8))
    add(source, line.source), add(target, line.target);
  CHECK(source.size() == 63);
  CHECK(target.size() == 15);
  for (const auto& [characters, vocabulary] :
       {std::pair(source, date_source_vocabulary()), {target, date_target_vocabulary()}}) {
    CHECK(vocabulary.size() == int(characters.size()));
    for (const std::string& character : characters)
      CHECK_MESSAGE(vocabulary.find(character) >= 0, character);
  }
  CHECK(date_source_vocabulary().find("<pad>") == PAD);
  CHECK(date_target_vocabulary().find("<pad>") == PAD);
  CHECK(date_target_vocabulary().find("<bos>") == BOS);
  CHECK(date_target_vocabulary().find("<eos>") == EOS);
}

TEST_CASE("dates: the ids of a line lead back to its characters") {
  for (const DateLine& line : drawn(200, Days::training, 2, 9)) {
    Example example = date_example(line);
    std::string source, target;
    for (int id : example.source) source += date_source_vocabulary().word(id);
    for (int id : example.target) target += date_target_vocabulary().word(id);
    CHECK(source == line.source);
    CHECK(target == line.target);
  }
  Example unanswered = date_example({"3 May 1979", "", {}});
  CHECK(unanswered.source.size() == 10);
  CHECK(unanswered.target.empty());
}

TEST_CASE("dates: what is out of range is refused, by name") {
  Generator random(1), untouched(1);
  expect_error([&] { draw_date_line(random, Days::training, 0); },
               {"[draw_date_line]", "0 dates"});
  CHECK(random == untouched);
  expect_error([] { test_date_lines(-1); }, {"[test_date_lines]", "-1 lines"});
  expect_error([] { test_date_lines(1 << 30); }, {"[test_date_lines]", "1073741824"});
  expect_error([] { write_date(DATE_DAYS, 0); }, {"day 36525", "36524"});
  expect_error([] { write_date(-1, 0); }, {"day -1"});
  expect_error([] { iso_date(DATE_DAYS); }, {"day 36525"});
  expect_error([] { write_date(0, 54); }, {"form 54", "53"});
  expect_error([] { write_date(0, -1); }, {"form -1"});
  DateLine french{"3 mai 1979, château", "", {}}, slashes{"3 May 1979", "1979/05/03", {}};
  expect_error([&] { date_example(french); }, {"[date_example]", "'â'", "château"});
  expect_error([&] { date_example(slashes); }, {"[date_example]", "'/'"});
}
