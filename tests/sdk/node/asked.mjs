// Where the gateway is, and what the SDKs ask it for. Everything can be set from outside, so that the same
// suites run against any gateway: BASE_URL (without /v1), API_KEY, MODEL; and, where they are set, NARROW_KEY (may use
// MODEL only), SLOW_MODEL (waits before it answers) and TWIN (a model that behaves as told behind its `?`).

export const baseURL = process.env.BASE_URL ?? "http://127.0.0.1:8000";
export const apiKey = process.env.API_KEY ?? "none";
export const model = process.env.MODEL ?? "demo";
export const narrowKey = process.env.NARROW_KEY;
export const slowModel = process.env.SLOW_MODEL;
export const twin = process.env.TWIN;

/** Options of a test that needs a part of the surroundings. */
export const needing = (part, name) => ({ skip: part ? false : `${name} is not set` });

export const QUESTION = "What is the weather in Paris, and what time is it there?";
export const NAMES = ["get_weather", "get_time"];
export const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
export const PLACE = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};

export const user = (content) => [{ role: "user", content }];

export async function collected(stream) {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
}
