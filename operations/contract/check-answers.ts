/** Checks of whole answers. */
import {
  type ChatCompletion,
  Completion,
  Embeddings,
  excerpt,
  insist,
  Models,
  NotApplicable,
  parse,
  type Session,
} from "./endpoint.ts";

const QUESTION = "Name the seven days of the week and say a word about each of them.";
const textOf = (answer: ChatCompletion, choice = 0) => answer.choices[choice]?.message.content ?? "";

/** Skips a check when the model is not said to have this. */
export function needs(session: Session, capability: string): void {
  if (!session.endpoint.capabilities.includes(capability))
    throw new NotApplicable(`the model is not said to have "${capability}"`);
}

export async function models(session: Session): Promise<string> {
  const { status, text } = await session.raw(`${session.endpoint.url}/models`);
  insist(status === 200, `/models answers ${status}: ${excerpt(text)}`);
  const { data } = parse(Models, JSON.parse(text), "models");
  const ids = data.map(({ id }) => id);
  // Ollama lists `name:latest` for what may be asked for as `name`.
  insist(
    ids.some((id) => id === session.model || id === `${session.model}:latest`),
    `the model "${session.model}" is not listed: ${excerpt(ids.join(", "))}`,
  );
  return `${ids.length} listed`;
}

export async function chat(session: Session): Promise<void> {
  needs(session, "chat");
  const answer = await session.chat(QUESTION, { max_tokens: 16 });
  insist(answer.usage.prompt_tokens > 0, "usage.prompt_tokens is 0 for a prompt that has words");
  insist(answer.usage.completion_tokens > 0, "usage.completion_tokens is 0");
  insist(textOf(answer).length > 0, "the answer has no content");
}

export async function completion(session: Session): Promise<void> {
  needs(session, "completion");
  const body = { model: session.model, prompt: "Once upon a time", max_tokens: 8 };
  const answer = parse(Completion, await session.client.completions.create(body), "completion");
  insist(answer.usage.completion_tokens > 0, "usage.completion_tokens is 0");
  insist((answer.choices[0]?.text ?? "").length > 0, "the completion has no text");
}

export async function embeddings(session: Session): Promise<string> {
  const { embeddingModel: model } = session.endpoint;
  if (model === undefined) throw new NotApplicable("no embedding model is named");
  const ask = async (input: string | string[]) =>
    parse(Embeddings, await session.client.embeddings.create({ model, input, encoding_format: "float" }), "embeddings")
      .data;
  const pair = await ask(["a red apple", "the tax return of last year"]);
  insist(pair.length === 2, `two inputs give ${pair.length} vectors`);
  insist(pair.map(({ index }) => index).join() === "0,1", "the vectors' indexes are not 0 and 1");
  const [first = [], second = []] = pair.map(({ embedding }) => embedding);
  insist(first.length === second.length, `the vectors have ${first.length} and ${second.length} numbers`);
  insist(
    first.some((value, i) => value !== second[i]),
    "different texts have the same vector",
  );
  const [again] = await ask("a red apple");
  const close = again?.embedding.every((value, i) => Math.abs(value - (first[i] ?? 0)) < 1e-2);
  insist(close, "the same text has another vector the second time");
  return `${first.length} dimensions`;
}

export async function stop(session: Session): Promise<void> {
  needs(session, "chat");
  const fixed = { temperature: 0, seed: 7, max_tokens: 24 };
  const whole = textOf(await session.chat(QUESTION, fixed));
  const word = /^.{2,}?(\S\S)/s.exec(whole)?.[1];
  if (word === undefined) throw new NotApplicable(`the answer has no two characters to stop at: ${excerpt(whole)}`);
  const answer = await session.chat(QUESTION, { ...fixed, stop: [word] });
  const text = textOf(answer);
  insist(!text.includes(word), `the text goes on past the stop sequence ${JSON.stringify(word)}: ${excerpt(text)}`);
  const reason = answer.choices[0]?.finish_reason;
  if (text.length < whole.indexOf(word) + word.length)
    insist(reason === "stop", `it stopped at the sequence, and finish_reason is "${reason}"`);
}

export async function maxTokens(session: Session): Promise<void> {
  needs(session, "chat");
  const answer = await session.chat(QUESTION, { max_tokens: 5 });
  const { completion_tokens } = answer.usage;
  insist(completion_tokens <= 5, `max_tokens 5 gives ${completion_tokens} tokens`);
  const reason = answer.choices[0]?.finish_reason;
  if (completion_tokens === 5) insist(reason === "length", `it was cut at 5 tokens, and finish_reason is "${reason}"`);
}

/** How many of three answers are the first one again. Floating point and batching make it a report, not a demand. */
export async function repeatable(session: Session): Promise<string> {
  needs(session, "chat");
  const texts: string[] = [];
  for (let i = 0; i < 3; i++) texts.push(textOf(await session.chat(QUESTION, { temperature: 0, max_tokens: 16 })));
  const same = texts.filter((text) => text === texts[0]).length;
  return `temperature 0: ${same} of 3 alike`;
}

export async function seed(session: Session): Promise<void> {
  needs(session, "chat");
  const ask = async (value: number) =>
    textOf(await session.chat(QUESTION, { temperature: 1, seed: value, max_tokens: 16 }));
  const [first, again] = [await ask(11), await ask(11)];
  insist(first === again, `seed 11 gives two answers: ${excerpt(first)} / ${excerpt(again)}`);
  const others = [await ask(12), await ask(13), await ask(14)];
  insist(
    others.some((text) => text !== first),
    "every seed gives the same answer at temperature 1",
  );
}

export async function logprobs(session: Session): Promise<void> {
  needs(session, "chat");
  const answer = await session.chat(QUESTION, { logprobs: true, top_logprobs: 2, max_tokens: 4 });
  const tokens = answer.choices[0]?.logprobs?.content ?? [];
  insist(tokens.length > 0, "logprobs were asked for, and there are none");
  insist(
    tokens.length <= answer.usage.completion_tokens,
    `${tokens.length} logprobs for ${answer.usage.completion_tokens} tokens`,
  );
  const short = tokens.find(({ top_logprobs }) => top_logprobs.length !== 2);
  insist(!short, `top_logprobs 2 gives ${short?.top_logprobs.length} alternatives`);
}

export async function n(session: Session): Promise<void> {
  needs(session, "chat");
  const answer = await session.chat(QUESTION, { n: 2, temperature: 1, max_tokens: 8 });
  insist(answer.choices.length === 2, `n 2 gives ${answer.choices.length} choices`);
  const indexes = answer.choices.map(({ index }) => index).sort();
  insist(indexes.join() === "0,1", `the choices' indexes are ${indexes.join(" and ")}`);
}

const TOOL = {
  type: "function",
  function: {
    name: "get_weather",
    description: "The weather in a city",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};

export async function tools(session: Session): Promise<string> {
  needs(session, "tools");
  const question = { role: "user", content: "What is the weather in Oslo? Use the tool." };
  const base = { model: session.model, tools: [TOOL], max_tokens: 128 };
  const answer = await session.chatWith({ ...base, messages: [question], tool_choice: "auto" });
  const { message, finish_reason } = answer.choices[0] as ChatCompletion["choices"][number];
  const calls = message.tool_calls ?? [];
  if (finish_reason === "tool_calls") insist(calls.length > 0, 'finish_reason is "tool_calls" without a call');
  if (finish_reason !== "length") {
    for (const { function: called } of calls) {
      insist(called.name === TOOL.function.name, `the tool "${called.name}" was never offered`);
      let read: unknown;
      try {
        read = JSON.parse(called.arguments);
      } catch {
        read = undefined;
      }
      insist(typeof read === "object" && read !== null, `a call's arguments are no JSON: ${excerpt(called.arguments)}`);
    }
  }
  // The way back: a result must be taken, whether or not this model called.
  const call = calls[0] ?? {
    id: "call_1",
    type: "function",
    function: { name: "get_weather", arguments: '{"city":"Oslo"}' },
  };
  const way = [
    question,
    { role: "assistant", content: "", tool_calls: [call] },
    { role: "tool", tool_call_id: call.id, content: "rain, 7 degrees" },
  ];
  await session.chatWith({ ...base, messages: way });
  return calls.length > 0 ? `${calls.length} called` : "none called";
}

export async function json(session: Session): Promise<string> {
  needs(session, "json");
  const answer = await session.chat("Give me a JSON object with the keys city and country.", {
    response_format: { type: "json_object" },
    max_tokens: 128,
  });
  const text = textOf(answer);
  const reason = answer.choices[0]?.finish_reason;
  if (reason === "length") {
    insist(/^\s*($|[{[])/.test(text), `JSON mode begins with ${excerpt(text)}`);
    return "cut at max_tokens";
  }
  try {
    insist(typeof JSON.parse(text) === "object", "JSON mode gives a bare value");
  } catch {
    insist(false, `JSON mode gives no JSON: ${excerpt(text)}`);
  }
  return "parsed";
}

export async function unicode(session: Session): Promise<void> {
  needs(session, "chat");
  const text = "Grüße, 你好, שלום, é, 🙂, 👩‍🚀, \u202Eabc, \u0000 and \u{1F1F3}\u{1F1F4}";
  const body = JSON.stringify(session.chatBody(text, { max_tokens: 8 }));
  for (const sent of [body, body.replace(/[^ -~]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`)]) {
    const answer = await session.raw(`${session.endpoint.url}/chat/completions`, sent);
    insist(
      answer.status === 200,
      `a prompt of many scripts is answered with ${answer.status}: ${excerpt(answer.text)}`,
    );
    JSON.parse(answer.text);
  }
}

/** Words, and tokens they take: measured, since every tokenizer is another. */
async function promptOf(session: Session, tokens: number): Promise<string> {
  const words = (count: number) => Array.from({ length: count }, (_, i) => `word${i % 10}`).join(" ");
  const used = async (count: number) => (await session.chat(words(count), { max_tokens: 1 })).usage.prompt_tokens;
  const [few, many] = [await used(4), await used(14)];
  insist(many > few, `a longer prompt has no more tokens: ${few} and ${many}`);
  const perWord = (many - few) / 10;
  const count = Math.floor((tokens - few) / perWord) + 4;
  return words(Math.max(1, count));
}

/** Beyond it a check of a paid service would cost more than it tells. */
const LONGEST_TOKENS = 200_000;

function declared(session: Session): number {
  const { contextLength } = session.endpoint;
  needs(session, "chat");
  if (contextLength === undefined) throw new NotApplicable("its context_length is not declared");
  if (contextLength > LONGEST_TOKENS) throw new NotApplicable(`a prompt of ${contextLength} tokens is not sent`);
  return contextLength;
}

export async function longContext(session: Session): Promise<string> {
  const context = declared(session);
  const room = Math.max(16, Math.ceil(context * 0.03));
  const prompt = await promptOf(session, context - room);
  const answer = await session.chat(prompt, { max_tokens: 4 });
  const { prompt_tokens } = answer.usage;
  insist(
    prompt_tokens > context - 3 * room,
    `a prompt of about ${context - room} tokens was read as ${prompt_tokens}: the rest is lost in silence`,
  );
  return `${prompt_tokens} of ${context} tokens`;
}

export async function tooLong(session: Session): Promise<string> {
  const context = declared(session);
  const prompt = await promptOf(session, Math.ceil(context * 1.3) + 64);
  const answer = await session.raw(
    `${session.endpoint.url}/chat/completions`,
    JSON.stringify(session.chatBody(prompt, { max_tokens: 4 })),
  );
  return session.refused(answer, [400], "a prompt longer than the context");
}
