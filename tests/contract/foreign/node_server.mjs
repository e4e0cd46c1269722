// npm's chatkit-node-backend-sdk over @openai/agents, put together as its README shows.
// The model's address is $OPENAI_BASE_URL. Usage: node node_server.mjs DIRECTORY_OF_NODE_MODULES

import http from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.argv[2], "package.json"));
const { ChatKitServer, Store, agents } = require("chatkit-node-backend-sdk");
const { Agent, run, setTracingDisabled } = require("@openai/agents");

setTracingDisabled(true);
console.log = () => {}; // the SDK logs every event, and the pipe is read for the port alone

class MemoryStore extends Store {
  threads = new Map();
  items = new Map();

  async loadThread(id) {
    if (!this.threads.has(id)) throw new Error(`Thread ${id} not found`);
    return this.threads.get(id).thread;
  }
  async saveThread(thread, context) {
    this.threads.set(thread.id, { thread, user: context.user });
  }
  async deleteThread(id) {
    this.threads.delete(id);
    this.items.delete(id);
  }
  async loadThreads(limit, after, order, context) {
    const all = [...this.threads.values()];
    return page(all.filter((row) => row.user === context.user).map((row) => row.thread), limit, after, order);
  }
  async loadThreadItems(id, after, limit, order) {
    return page(this.items.get(id) ?? [], limit, after, order);
  }
  async addThreadItem(id, item) {
    this.items.set(id, [...(this.items.get(id) ?? []), item]);
  }
  async saveItem(id, item) {
    const items = this.items.get(id) ?? [];
    const index = items.findIndex((other) => other.id === item.id);
    if (index < 0) items.push(item);
    else items[index] = item;
    this.items.set(id, items);
  }
  async loadItem(id, itemId) {
    return (this.items.get(id) ?? []).find((item) => item.id === itemId);
  }
  async deleteThreadItem(id, itemId) {
    this.items.set(id, (this.items.get(id) ?? []).filter((item) => item.id !== itemId));
  }
  async saveAttachment() {}
  async loadAttachment() {}
  async deleteAttachment() {}
}

function page(rows, limit, after, order) {
  const ordered = order === "asc" ? rows : [...rows].reverse();
  const start = after ? ordered.findIndex((row) => row.id === after) + 1 : 0;
  const data = ordered.slice(start, start + limit);
  const more = start + limit < ordered.length;
  return { data, has_more: more, after: more ? data[data.length - 1].id : null };
}

class WorkflowServer extends ChatKitServer {
  async *respond(thread, message, context) {
    const text = message.content.map((part) => part.text).join("");
    const count = JSON.parse(text).context.agents;
    for (let number = 0; number < count; number += 1) {
      const agentContext = agents.createAgentContext(thread, this.store, context);
      const agent = new Agent({ name: `agent-${number}`, model: `agent-${number}` });
      const input = await agents.simpleToAgentInput(message);
      const stream = await run(agent, input, { stream: true, context: agentContext });
      yield* agents.streamAgentResponse(agentContext, stream);
    }
  }
}

const server = new WorkflowServer(new MemoryStore());

const listener = http.createServer(async (request, response) => {
  try {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString("utf-8");
    const context = { user: JSON.parse(body).metadata?.user ?? "" };
    const result = await server.process(body, context);
    if (result.isStreaming) {
      response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-cache" });
      for await (const chunk of result) response.write(chunk);
      response.end();
    } else {
      response.writeHead(200, { "Content-Type": "application/json" });
      response.end(JSON.stringify(result.toJSON()));
    }
  } catch (error) {
    if (!response.headersSent) response.writeHead(500, { "Content-Type": "application/json" });
    response.end(JSON.stringify({ error: String(error) }));
  }
});

listener.listen(0, "127.0.0.1", () => {
  process.stdout.write(`port ${listener.address().port}\n`);
});
