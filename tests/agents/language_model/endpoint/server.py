"""A small OpenAI-compatible server on loopback that runs a real (tiny) transformers model.

Its replies are computed, not canned: the chat template, the forward pass, the log-probabilities and
the seeded sampling are the model's own. It can be told to misbehave (see `Server.faults`).
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Server:
    """The model, what was asked of it, and how it should misbehave."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder).eval()
        self.requests: list[dict] = []
        self.headers: list[str] = []
        self.faults: list[str] = []
        """Taken one a request, from the front; '' is none."""
        self.always = ""
        """The fault of requests beyond those."""
        self.gives_logprobs = True
        self.refuses_logprobs = False
        self.key = ""
        self.busiest = 0
        self._busy = 0
        self._lock = threading.Lock()
        self._model_lock = threading.Lock()
        self.url = ""

    def arrive(self, body: dict, authorization: str) -> str:
        """Note a request; returns the fault that it meets."""
        with self._lock:
            self._busy += 1
            self.busiest = max(self.busiest, self._busy)
            self.requests.append(body)
            self.headers.append(authorization)
            return self.faults.pop(0) if self.faults else self.always

    def leave(self) -> None:
        """Note that a request is over."""
        with self._lock:
            self._busy -= 1

    def prompt_ids(self, body: dict) -> list[int]:
        """Return the token ids of a request's prompt."""
        if "prompt" in body:
            return self.tokenizer(body["prompt"])["input_ids"]
        text = self.tokenizer.apply_chat_template(
            body["messages"], tokenize=False, add_generation_prompt=True
        )
        return self.tokenizer(text)["input_ids"]

    def next_logprobs(self, ids: list[int]):
        """Return the log-probabilities of the next token, [V] float64."""
        import torch

        with self._model_lock, torch.inference_mode():
            return self.model(input_ids=torch.tensor([ids])).logits[0, -1].double().log_softmax(-1)

    def complete(self, body: dict) -> dict:
        """Answer a request with the model."""
        import torch

        ids = self.prompt_ids(body)
        read = len(ids)
        draw = torch.Generator().manual_seed(body.get("seed", 0))
        temperature = body.get("temperature", 1.0)
        tokens, tops = [], []
        for _ in range(min(body.get("max_tokens", 16), 512 - read)):
            logp = self.next_logprobs(ids)
            scaled = (logp / temperature).softmax(-1) if temperature else None
            if scaled is None:
                token = int(logp.argmax())
            else:
                token = int(torch.multinomial(scaled, 1, generator=draw))
            ids = [*ids, token]
            tokens.append(token)
            wanted = body.get("top_logprobs") or body.get("logprobs") or 0
            best = logp.topk(min(int(wanted), len(logp)))
            tops.append(list(zip(best.values.tolist(), best.indices.tolist(), strict=True)))
            if token == self.tokenizer.eos_token_id:
                break
        text = self.tokenizer.decode(tokens, skip_special_tokens=True)
        usage = {"prompt_tokens": read, "completion_tokens": len(tokens)}
        chat = "messages" in body
        choice: dict = {"index": 0, "finish_reason": "stop"}
        choice |= {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
        if body.get("logprobs") and self.gives_logprobs:
            choice["logprobs"] = self._logprobs(tokens, tops, chat)
        return {"object": "completion", "model": "tiny", "choices": [choice], "usage": usage}

    def _logprobs(self, tokens: list[int], tops: list, chat: bool) -> dict:
        def name(token: int) -> str:
            return self.tokenizer.decode([token])

        if chat:
            content = [
                {
                    "token": name(token),
                    "top_logprobs": [{"token": name(i), "logprob": v} for v, i in top],
                }
                for token, top in zip(tokens, tops, strict=True)
            ]
            return {"content": content}
        return {
            "tokens": [name(token) for token in tokens],
            "top_logprobs": [{name(i): v for v, i in top} for top in tops],
        }


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 65536
        disable_nagle_algorithm = True

        def log_message(self, *arguments) -> None:
            """Stay silent."""

        def reply(self, status: int, data: bytes, **headers: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            for key, value in headers.items():
                self.send_header(key.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(data)

        def refused(self) -> bool:
            given = self.headers.get("Authorization", "")
            if server.key and given != f"Bearer {server.key}":
                # As real vendors do, the refusal repeats what was sent.
                self.reply(401, json.dumps({"error": f"wrong key {given}"}).encode())
                return True
            return False

        def do_GET(self) -> None:  # noqa: N802
            if not self.refused():
                self.reply(200, json.dumps({"data": [{"id": "tiny"}]}).encode())

        def do_POST(self) -> None:  # noqa: N802
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            given = self.headers.get("Authorization", "")
            fault = server.arrive(body, given)
            try:
                if not self.refused():
                    self.answer(body, fault, given)
            except (BrokenPipeError, ConnectionResetError):
                pass
            finally:
                server.leave()

        def answer(self, body: dict, fault: str, given: str) -> None:
            if fault.isdigit():
                echo = json.dumps({"error": {"message": f"you sent {given}"}}).encode()
                self.reply(int(fault), echo, Retry_After="0")
            elif fault == "malformed":
                self.reply(200, b'{"choices": [{"message": {"content": "half')
            elif fault == "odd":
                self.reply(200, json.dumps({"choices": [{"message": {"content": 3}}]}).encode())
            elif fault == "empty":
                self.reply(200, json.dumps({"choices": [{"message": {"content": None}}]}).encode())
            elif fault == "hang_up":
                self.close_connection = True
            elif fault == "drip":
                self.send_response(200)
                self.send_header("Content-Length", "100000")
                self.end_headers()
                for _ in range(60):
                    self.wfile.write(b" ")
                    self.wfile.flush()
                    time.sleep(0.05)
            elif server.refuses_logprobs and "logprobs" in body:
                self.reply(400, b'{"error": {"message": "logprobs are not supported"}}')
            else:
                if fault == "slow":
                    time.sleep(0.05)
                said = server.complete(body)
                if fault == "echo":
                    said["choices"][0]["message"]["content"] = f"my header was {given} indeed"
                self.reply(200, json.dumps(said).encode())

    return Handler


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """Serve a saved model on a free port of the loopback interface."""
    server = Server(folder)
    http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(server))
    http.daemon_threads = True
    server.url = f"http://127.0.0.1:{http.server_address[1]}/v1"
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
