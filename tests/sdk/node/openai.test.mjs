// The official `openai` package, unmodified.

import assert from "node:assert/strict";
import { test } from "node:test";

import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";

import { apiKey, baseURL, collected, model, NAMES, narrowKey, needing, PIXEL, PLACE } from "./asked.mjs";
import { QUESTION, slowModel, twin, user } from "./asked.mjs";

const client = new OpenAI({ baseURL: `${baseURL}/v1`, apiKey, maxRetries: 0 });
const chat = client.chat.completions;
const Trip = z.object({ city: z.string(), days: z.number().int(), sights: z.array(z.string()) });
const chatTools = NAMES.map((name) => ({ type: "function", function: { name, parameters: PLACE, strict: true } }));
const responseTools = NAMES.map((name) => ({ type: "function", name, parameters: PLACE, strict: true }));

const ask = (members = {}, options = {}) => chat.create({ model, messages: user("Hello"), ...members }, options);
const textOf = (chunks) => chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("");

test("a chat is answered with usage and a request id", async () => {
  const answer = await ask();
  assert.ok(answer.choices[0].message.content);
  assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
  assert.ok(answer._request_id);
});

test("a streamed chat says what a plain one says", async () => {
  const plain = await ask({ temperature: 0 });
  const chunks = await collected(await ask({ temperature: 0, stream: true }));
  assert.equal(textOf(chunks), plain.choices[0].message.content);
  assert.ok(chunks.every((chunk) => !chunk.usage));
});

test("a stream ends with usage where it is asked for", async () => {
  const chunks = await collected(await ask({ stream: true, stream_options: { include_usage: true } }));
  assert.deepEqual(chunks.at(-1).choices, []);
  assert.ok(chunks.at(-1).usage.completion_tokens > 0);
});

test("the stream helper tells deltas and the whole", async () => {
  const runner = chat.stream({ model, messages: user("Hello") });
  let text = "";
  runner.on("content", (delta) => (text += delta));
  const whole = await runner.finalChatCompletion();
  assert.equal(text, whole.choices[0].message.content);
});

test("tools are called in parallel and their results are heard", async () => {
  const asked = await ask({ messages: user(QUESTION), tools: chatTools });
  const message = asked.choices[0].message;
  assert.equal(asked.choices[0].finish_reason, "tool_calls");
  assert.deepEqual(message.tool_calls.map((call) => call.function.name), NAMES);
  for (const call of message.tool_calls) assert.ok(JSON.parse(call.function.arguments).city);
  const results = message.tool_calls.map((call) => ({ role: "tool", tool_call_id: call.id, content: "sunny" }));
  const answered = await ask({ messages: [...user(QUESTION), message, ...results], tools: chatTools });
  assert.match(answered.choices[0].message.content, /sunny/);
});

test("the tool runner makes the whole round", async () => {
  const tool = (name) => ({
    type: "function",
    function: { name, parameters: PLACE, parse: JSON.parse, function: ({ city }) => `${city} is sunny` },
  });
  const runner = chat.runTools({ model, messages: user(QUESTION), tools: NAMES.map(tool) });
  assert.match(await runner.finalContent(), /is sunny/);
});

test("a chat is parsed into a zod object", async () => {
  const answer = await chat.parse({
    model,
    messages: user("3 days in Rome"),
    response_format: zodResponseFormat(Trip, "trip"),
  });
  assert.equal(Number.isInteger(answer.choices[0].message.parsed.days), true);
});

test("JSON is answered where an object is wanted", async () => {
  const answer = await ask({ response_format: { type: "json_object" } });
  assert.equal(typeof JSON.parse(answer.choices[0].message.content), "object");
});

test("log probabilities come with the tokens", async () => {
  const { logprobs } = (await ask({ logprobs: true, top_logprobs: 2 })).choices[0];
  assert.ok(logprobs.content.every((entry) => entry.logprob <= 0 && entry.top_logprobs.length >= 2));
});

test("two choices are two", async () => {
  const answer = await ask({ n: 2 });
  assert.deepEqual(answer.choices.map((choice) => choice.index), [0, 1]);
});

test("images and sound are taken", async () => {
  const parts = [
    { type: "text", text: "Look and listen" },
    { type: "image_url", image_url: { url: `data:image/png;base64,${PIXEL}` } },
    { type: "input_audio", input_audio: { data: "UklGRg==", format: "wav" } },
  ];
  assert.ok((await ask({ messages: user(parts) })).choices[0].message.content);
});

test("embeddings are the same in either encoding", async () => {
  const input = ["one text", "another"];
  const usual = await client.embeddings.create({ model, input }); // the SDK asks for base64 and decodes it
  const floats = await client.embeddings.create({ model, input, encoding_format: "float" });
  const short = await client.embeddings.create({ model, input, dimensions: 8 });
  usual.data.forEach(({ embedding }, index) => {
    assert.deepEqual(Array.from(embedding, Math.fround), floats.data[index].embedding.map(Math.fround));
  });
  assert.deepEqual(short.data.map(({ embedding }) => embedding.length), [8, 8]);
});

test("a text is completed plainly and streamed", async () => {
  const asked = { model, prompt: "Once", max_tokens: 9, temperature: 0 };
  const plain = await client.completions.create(asked);
  const chunks = await collected(await client.completions.create({ ...asked, stream: true }));
  assert.equal(plain.choices[0].finish_reason, "length");
  assert.equal(chunks.map((chunk) => chunk.choices[0].text).join(""), plain.choices[0].text);
});

test("a response is answered, plainly and streamed", async () => {
  const plain = await client.responses.create({ model, input: "Hello", temperature: 0 });
  const events = await collected(
    await client.responses.create({ model, input: "Hello", temperature: 0, stream: true }),
  );
  assert.ok(plain.output_text);
  assert.deepEqual(events.map((event) => event.sequence_number), [...events.keys()]);
  const deltas = events.filter((event) => event.type === "response.output_text.delta");
  assert.equal(deltas.map((event) => event.delta).join(""), plain.output_text);
  assert.equal(events.at(-1).type, "response.completed");
});

test("a response calls tools and hears their results", async () => {
  const stream = client.responses.stream({ model, input: user(QUESTION), tools: responseTools });
  const { output } = await stream.finalResponse();
  const calls = output.filter((item) => item.type === "function_call");
  assert.deepEqual(calls.map((call) => call.name), NAMES);
  const results = calls.map(({ call_id }) => ({ type: "function_call_output", call_id, output: "sunny" }));
  const answered = await client.responses.create({
    model,
    input: [...user(QUESTION), ...calls, ...results],
    tools: responseTools,
  });
  assert.match(answered.output_text, /sunny/);
});

test("a response is parsed into a zod object", async () => {
  const answer = await client.responses.parse({
    model,
    input: "3 days in Rome",
    text: { format: zodTextFormat(Trip, "trip") },
  });
  assert.equal(Number.isInteger(answer.output_parsed.days), true);
});

test("models are listed and found", async () => {
  const names = (await collected(client.models.list())).map(({ id }) => id);
  assert.ok(names.includes(model));
  assert.equal((await client.models.retrieve(model)).id, model);
});

test("the raw response is within reach", async () => {
  const headers = { "x-request-id": "mine-7" };
  const raw = await ask({}, { headers }).asResponse();
  assert.equal(raw.headers.get("x-request-id"), "mine-7");
  const { data, response, request_id } = await ask({}, { headers }).withResponse();
  assert.ok(data.choices.length);
  assert.equal(response.status, 200);
  assert.equal(request_id, "mine-7");
});

test("a wrong member is a bad request that names it", async () => {
  for (const stream of [false, true]) {
    await assert.rejects(ask({ temperature: 3, stream }), (error) => {
      assert.ok(error instanceof OpenAI.BadRequestError);
      assert.equal(error.param, "temperature");
      assert.ok(error.requestID);
      return true;
    });
  }
});

test("an unknown key is an authentication error", needing(narrowKey, "NARROW_KEY"), async () => {
  const stranger = client.withOptions({ apiKey: "hb-stranger" });
  await assert.rejects(stranger.models.list(), OpenAI.AuthenticationError);
});

test("a model outside the key's list is permission denied", needing(narrowKey, "NARROW_KEY"), async () => {
  const narrow = client.withOptions({ apiKey: narrowKey }).chat.completions;
  await assert.rejects(narrow.create({ model: slowModel, messages: user("Hello") }), OpenAI.PermissionDeniedError);
});

test("an unknown model is not found", async () => {
  const expected = (error) => error instanceof OpenAI.NotFoundError && error.code === "model_not_found";
  await assert.rejects(ask({ model: "no-such-model" }), expected);
  await assert.rejects(client.models.retrieve("no-such-model"), expected);
});

for (const [behaviour, failure, status] of [
  ["status=409", OpenAI.ConflictError, 409],
  ["status=422&dialect=nebius", OpenAI.UnprocessableEntityError, 422],
  ["status=429", OpenAI.RateLimitError, 429],
  ["status=500&dialect=html", OpenAI.InternalServerError, 502],
  ["status=503", OpenAI.InternalServerError, 503],
]) {
  test(`an upstream's ${behaviour} is ${failure.name}`, needing(twin, "TWIN"), async () => {
    await assert.rejects(ask({ model: `${twin}?${behaviour}` }), (error) => {
      assert.ok(error instanceof failure);
      assert.equal(error.status, status);
      return true;
    });
  });
}

test("a stream that breaks rejects after what had come", needing(twin, "TWIN"), async () => {
  const stream = await ask({ model: `${twin}?cut=4`, stream: true, logprobs: true });
  let text = "";
  await assert.rejects(
    async () => {
      for await (const chunk of stream) text += chunk.choices[0].delta.content ?? "";
    },
    (error) => error instanceof OpenAI.APIError && error.code === "upstream_broken",
  );
  assert.equal(text, "word0 word1 word2 word3 ");
});

test("a closed port is a connection error", async () => {
  const nowhere = new OpenAI({ baseURL: "http://127.0.0.1:1/v1", apiKey, maxRetries: 0 });
  await assert.rejects(nowhere.models.list(), OpenAI.APIConnectionError);
});

test("the client's own timeout is a timeout error", needing(slowModel, "SLOW_MODEL"), async () => {
  await assert.rejects(ask({ model: slowModel }, { timeout: 50 }), OpenAI.APIConnectionTimeoutError);
});

test("a failure that may pass is retried", needing(twin, "TWIN"), async () => {
  let tries = 0;
  const counting = client.withOptions({
    maxRetries: 2,
    fetch: (...request) => {
      tries += 1;
      return fetch(...request);
    },
  });
  const asking = counting.chat.completions.create({
    model: `${twin}?status=503&retry_after=0.01`,
    messages: user("Hello"),
  });
  await assert.rejects(asking, OpenAI.InternalServerError);
  assert.equal(tries, 3);
});

test("a stream can be left early, and the connection serves on", async () => {
  const stream = await ask({ stream: true });
  for await (const chunk of stream) {
    assert.ok(chunk.id);
    break;
  }
  assert.ok(stream.controller.signal.aborted);
  assert.ok((await ask()).choices.length);
});

test("a call can be aborted", needing(slowModel, "SLOW_MODEL"), async () => {
  const abort = new AbortController();
  const asking = ask({ model: slowModel }, { signal: abort.signal });
  abort.abort();
  await assert.rejects(asking, OpenAI.APIUserAbortError);
});
