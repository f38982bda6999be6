#include "service/providers/curl_transport.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "tests/service/providers/fake_process.h"

namespace safelight {
namespace {

// Answers connections on a free port of this machine, the n-th with the n-th text, and keeps what was asked. An empty text: stays silent
// until the client leaves.
class Answers {
 public:
  explicit Answers(std::vector<std::string> answers) : answers_(std::move(answers)), listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listener_, 8), 0);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/x";
    thread_ = std::thread([this] { serve(); });
  }
  ~Answers() { finish(), close(listener_); }
  void finish() {
    shutdown(listener_, SHUT_RDWR);
    if (thread_.joinable()) thread_.join();
  }
  const std::string& url() const { return url_; }
  const std::string& asked() { return finish(), asked_; }

 private:
  void serve() {
    for (const std::string& answer : answers_) {
      const int client = accept(listener_, nullptr, nullptr);
      if (client < 0) return;
      char buffer[4096];
      std::string request;
      for (ssize_t n; (n = recv(client, buffer, sizeof buffer, 0)) > 0;) {
        request.append(buffer, static_cast<std::size_t>(n));
        if (answer.empty() || request.find("\r\n\r\n") == std::string::npos) continue;
        (void)!::send(client, answer.data(), answer.size(), MSG_NOSIGNAL);
        break;
      }
      asked_ += request;
      close(client);
    }
  }
  std::vector<std::string> answers_;
  std::string url_, asked_;
  int listener_;
  std::thread thread_;
};

const std::string kOk = "HTTP/1.1 200 OK\r\nX-Request-Id: r1\r\nContent-Length: 5\r\n\r\nhello";
const std::string kKey = "sk-test-123456789";

HttpReply get(const std::string& url) { return CurlTransport().send({.url = url}); }

std::string redirect_to(const std::string& url) { return "HTTP/1.1 302 Found\r\nLocation: " + url + "\r\nContent-Length: 0\r\n\r\n"; }

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

TEST(CurlTransport, SendsTheKeyAndReadsTheAnswer) {
  Answers server({kOk});
  HttpRequest request{.method = "POST", .url = server.url(), .headers = {{"X-Word", "value"}}, .body = "{\"a\":1}"};
  request.secret = {"Authorization", "Bearer ", Secret(kKey)};
  std::string pieces;
  request.on_body = [&](std::string_view piece) { pieces += piece; };
  const HttpReply reply = CurlTransport().send(request);
  EXPECT_EQ(reply.error, TransportError::none) << reply.message;
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body, "hello");
  EXPECT_EQ(pieces, "hello");
  EXPECT_EQ(reply.header("x-request-id"), "r1");
  EXPECT_TRUE(reply.sent);
  for (const std::string& line : {std::string("POST /x HTTP/1.1"), "Authorization: Bearer " + kKey, std::string("X-Word: value"), std::string("\r\n\r\n{\"a\":1}")})
    EXPECT_NE(server.asked().find(line), std::string::npos) << line;
}

TEST(CurlTransport, StopsAtTheSizeLimit) {
  Answers server({kOk, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"});
  EXPECT_EQ(CurlTransport().send({.url = server.url(), .max_response_bytes = 4}).error, TransportError::too_large);
  EXPECT_EQ(CurlTransport().send({.url = server.url(), .max_response_bytes = 4}).error, TransportError::too_large);
}

TEST(CurlTransport, TakesPiecesOfGoodAnswersAlone) {
  Answers server({"HTTP/1.1 500 Oh\r\nContent-Length: 3\r\n\r\nbad"});
  bool called = false;
  const HttpReply reply = CurlTransport().send({.url = server.url(), .on_body = [&](std::string_view) { called = true; }});
  EXPECT_EQ(reply.body, "bad");
  EXPECT_FALSE(called);
}

TEST(CurlTransport, FollowsAGetOnItsOwnHostAndNothingElse) {
  Answers own({redirect_to("/y"), kOk});
  EXPECT_EQ(get(own.url()).body, "hello");
  Answers elsewhere({redirect_to("http://other.example/")});
  EXPECT_EQ(get(elsewhere.url()).error, TransportError::redirect);
  Answers port({redirect_to("http://127.0.0.1:1/")});
  EXPECT_EQ(get(port.url()).error, TransportError::redirect);
  Answers file({redirect_to("file:///etc/hostname")});
  EXPECT_EQ(get(file.url()).error, TransportError::redirect);
  Answers post({redirect_to("/y")});
  EXPECT_EQ(CurlTransport().send({.method = "POST", .url = post.url(), .body = "{}"}).error, TransportError::redirect);
  Answers endless(std::vector<std::string>(8, redirect_to("/x")));
  EXPECT_EQ(get(endless.url()).error, TransportError::redirect);
}

TEST(CurlTransport, TellsWhetherTheRequestLeft) {
  const HttpReply nobody = CurlTransport().send({.method = "POST", .url = "http://127.0.0.1:1/", .body = "{}"});
  EXPECT_EQ(nobody.error, TransportError::connect);
  EXPECT_FALSE(nobody.sent);
  const HttpReply nowhere = get("http://nowhere.invalid/");
  EXPECT_EQ(nowhere.error, TransportError::resolve);
  EXPECT_FALSE(nowhere.sent);
  Answers silent({""});
  const HttpReply late = CurlTransport().send({.method = "POST", .url = silent.url(), .body = "{}", .timeout_ms = 200});
  EXPECT_EQ(late.error, TransportError::timeout);
  EXPECT_TRUE(late.sent);  // it may have been accepted
  Answers cut({"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf"});
  const HttpReply half = CurlTransport().send({.method = "POST", .url = cut.url(), .body = "{}"});
  EXPECT_EQ(half.error, TransportError::receive);
  EXPECT_TRUE(half.sent);
}

TEST(CurlTransport, ABodyThatDidNotLeaveWholeWasNotSent) {
  // The server leaves after the first bytes; 64 MiB do not fit into the buffers between.
  Answers hasty({"HTTP/1.1 200 OK\r\n"});
  const HttpReply reply = CurlTransport().send({.method = "POST", .url = hasty.url(), .body = std::string(std::size_t{64} << 20, 'x')});
  EXPECT_NE(reply.error, TransportError::none);
  EXPECT_FALSE(reply.sent);
}

TEST(CurlTransport, RefusesWhatCannotBeSent) {
  for (const char* url : {"file:///etc/hostname", "gopher://127.0.0.1/", "http://127.0.0.1/a b", "http://127.0.0.1/\r\nX: y", ""})
    EXPECT_EQ(get(url).error, TransportError::bad_request) << url;
  Answers server({kOk});
  HttpRequest request{.url = server.url()};
  request.secret = {"Authorization", "Bearer ", Secret(kKey + "\n")};
  const HttpReply reply = CurlTransport().send(request);
  EXPECT_EQ(reply.error, TransportError::bad_request);
  EXPECT_EQ(reply.message.find(kKey), std::string::npos);
  EXPECT_EQ(CurlTransport().send({.url = server.url(), .headers = {{"X", "a\r\nY: b"}}}).error, TransportError::bad_request);
}

TEST(CurlTransport, KeepsFromPrivateAddressesWhereAsked) {
  Answers server({kOk});
  EXPECT_EQ(CurlTransport().send({.url = server.url(), .public_addresses_only = true}).error, TransportError::forbidden_address);
  for (const char* url : {"http://10.0.0.1/", "http://192.168.1.1/", "http://169.254.169.254/", "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://2130706433/", "http://0/"})
    EXPECT_EQ(CurlTransport().send({.url = url, .public_addresses_only = true}).error, TransportError::forbidden_address) << url;
}

TEST(CurlTransport, ACancelEndsItSoon) {
  std::atomic<bool> cancel = true;
  Answers silent({"", ""});
  EXPECT_EQ(CurlTransport().send({.url = silent.url(), .timeout_ms = 5000, .cancel = &cancel}).error, TransportError::cancelled);
  cancel = false;
  std::thread later([&] { std::this_thread::sleep_for(std::chrono::milliseconds(100)), cancel = true; });
  HttpReply reply;
  EXPECT_LT(seconds_of([&] { reply = CurlTransport().send({.method = "POST", .url = silent.url(), .body = "{}", .timeout_ms = 20000, .cancel = &cancel}); }), 5);
  later.join();
  EXPECT_EQ(reply.error, TransportError::cancelled);
  EXPECT_TRUE(reply.sent);
}

TEST(CurlTransport, TrustsTheGivenAuthorityAndItsNamesAlone) {
  const TestCertificate right("IP:127.0.0.1"), other("IP:127.0.0.1"), name("DNS:elsewhere.example");
  const FakeProcess server("openai_fake.py", &right), misnamed("openai_fake.py", &name);
  const auto ask = [](const FakeProcess& fake, const std::string& ca_file) {
    HttpRequest request{.url = fake.origin() + "/tls/ok/v1/models", .ca_file = ca_file};
    request.secret = {"Authorization", "Bearer ", Secret("sk-fake-0123456789abcdef")};
    return CurlTransport().send(request);
  };
  const HttpReply good = ask(server, right.certificate);
  EXPECT_EQ(good.status, 200) << good.message;
  for (const HttpReply& bad : {ask(server, ""), ask(server, other.certificate), ask(misnamed, name.certificate), ask(server, "/nonexistent.pem")}) {
    EXPECT_EQ(bad.error, TransportError::tls) << bad.message;
    EXPECT_FALSE(bad.sent);
    EXPECT_EQ(bad.status, 0);
  }
}

}  // namespace
}  // namespace safelight
