// The official `@anthropic-ai/sdk` package, unmodified.

import assert from "node:assert/strict";
import { test } from "node:test";

import Anthropic from "@anthropic-ai/sdk";

import { apiKey, baseURL, collected, model, NAMES, narrowKey, needing, PLACE } from "./asked.mjs";
import { QUESTION, slowModel, user } from "./asked.mjs";

const client = new Anthropic({ baseURL, apiKey, maxRetries: 0 });
const tools = NAMES.map((name) => ({ name, input_schema: PLACE }));
const asked = { model, max_tokens: 500, messages: user("Hello") };

test("a message is answered with usage and a reason", async () => {
  const answer = await client.messages.create(asked);
  assert.equal(answer.content.at(-1).type, "text");
  assert.ok(answer.usage.input_tokens > 0 && answer.usage.output_tokens > 0);
  assert.ok(["end_turn", "max_tokens"].includes(answer.stop_reason));
});

test("a streamed message is put together from its events", async () => {
  const stream = client.messages.stream(asked);
  let text = "";
  stream.on("text", (delta) => (text += delta));
  const whole = await stream.finalMessage();
  assert.equal(text, whole.content.at(-1).text);
  const events = await collected(await client.messages.create({ ...asked, stream: true }));
  assert.equal(events[0].type, "message_start");
  assert.equal(events.at(-1).type, "message_stop");
});

test("tools are used in parallel and their results are heard", async () => {
  const messages = user(QUESTION);
  const { content, stop_reason } = await client.messages.create({ ...asked, messages, tools });
  const uses = content.filter((block) => block.type === "tool_use");
  assert.equal(stop_reason, "tool_use");
  assert.deepEqual(uses.map((use) => use.name), NAMES);
  const results = uses.map(({ id }) => ({ type: "tool_result", tool_use_id: id, content: "sunny" }));
  messages.push({ role: "assistant", content }, { role: "user", content: results });
  const answered = await client.messages.create({ ...asked, messages, tools });
  assert.match(answered.content[0].text, /sunny/);
});

test("tokens are counted", async () => {
  const { input_tokens } = await client.messages.countTokens({ model, messages: user("Hello") });
  assert.ok(input_tokens > 0);
});

test("a wrong request is the SDK's exception", async () => {
  await assert.rejects(client.messages.create({ ...asked, messages: [] }), Anthropic.BadRequestError);
  await assert.rejects(client.messages.create({ ...asked, model: "no-such-model" }), Anthropic.NotFoundError);
});

test("keys are known by Anthropic's header too", needing(narrowKey, "NARROW_KEY"), async () => {
  const stranger = client.withOptions({ apiKey: "hb-stranger" });
  const narrow = client.withOptions({ apiKey: narrowKey });
  await assert.rejects(stranger.messages.create(asked), Anthropic.AuthenticationError);
  await assert.rejects(narrow.messages.create({ ...asked, model: slowModel }), Anthropic.PermissionDeniedError);
});

test("the client's own timeout is a timeout error", needing(slowModel, "SLOW_MODEL"), async () => {
  const asking = client.messages.create({ ...asked, model: slowModel }, { timeout: 50 });
  await assert.rejects(asking, Anthropic.APIConnectionTimeoutError);
});
