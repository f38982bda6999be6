// A fake of tests/fakes as its own process; it ends when its standard input closes. And a certificate authority for its TLS.
#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

namespace safelight {

// A self-signed certificate, made by the openssl command: its own authority.
struct TestCertificate {
  // name: "IP:127.0.0.1" or "DNS:elsewhere.example".
  explicit TestCertificate(const std::string& name) {
    char pattern[] = "/tmp/safelight-tls-XXXXXX";
    if (!mkdtemp(pattern)) throw std::runtime_error("mkdtemp");
    folder = pattern;
    certificate = (folder / "certificate.pem").string(), key = (folder / "key.pem").string();
    const std::string command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=safelight-test -addext subjectAltName=" + name +
                                " -keyout " + key + " -out " + certificate + " 2>/dev/null";
    if (std::system(command.c_str()) != 0) throw std::runtime_error("openssl made no certificate");
  }
  ~TestCertificate() { std::filesystem::remove_all(folder); }
  TestCertificate(const TestCertificate&) = delete;
  std::filesystem::path folder;
  std::string certificate, key;
};

class FakeProcess {
 public:
  // script: a file of tests/fakes. With a certificate it speaks TLS.
  explicit FakeProcess(const std::string& script, const TestCertificate* tls = nullptr) : scheme_(tls ? "https" : "http") {
    int to[2], from[2];
    if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
    const std::string path = std::string(SAFELIGHT_SOURCE) + "/tests/fakes/" + script;
    child_ = fork();
    if (child_ == 0) {
      dup2(to[0], 0);
      dup2(from[1], 1);
      setenv("PYTHONDONTWRITEBYTECODE", "1", 1);
      if (tls) execlp("python3", "python3", path.c_str(), tls->certificate.c_str(), tls->key.c_str(), nullptr);
      else execlp("python3", "python3", path.c_str(), nullptr);
      _exit(127);
    }
    close(to[0]);
    close(from[1]);
    input_ = to[1];
    char c = 0;
    while (read(from[0], &c, 1) == 1 && c != '\n') port_ += c;
    close(from[0]);
    if (port_.empty()) throw std::runtime_error("the fake " + script + " did not start");
  }
  ~FakeProcess() {
    close(input_);
    waitpid(child_, nullptr, 0);
  }
  FakeProcess(const FakeProcess&) = delete;
  std::string origin() const { return scheme_ + "://127.0.0.1:" + port_; }

 private:
  std::string scheme_, port_;
  pid_t child_ = -1;
  int input_ = -1;
};

}  // namespace safelight
