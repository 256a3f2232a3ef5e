// The original system's scenario seen by a client: 70 steps, every event, and the picture's file after each.
import { expect } from "@playwright/test";
import { ask, newProject } from "../support/studio.ts";
import { serverForThisFile, test } from "../support/test.ts";

const server = serverForThisFile();

interface Heard {
  type: string;
  seq?: number;
  data: { step?: number; preview_path?: string; path?: string; status?: string };
}

test("70 steps from the frame to the picture", async ({ page, request, consoleMessages }) => {
  const project = await newProject(request, server.url);
  const heard: Heard[] = [];
  const sizes: Promise<string>[] = [];
  const size = async (path: string) => {
    const answer = await request.get(server.url + path);
    const bytes = await answer.body();
    return `${answer.status()}, ${bytes.length} bytes, ${bytes.readUInt32BE(16)} x ${bytes.readUInt32BE(20)}`;
  };
  const started = performance.now();
  const times: number[] = [];
  await page.exposeFunction("hear", (text: string) => {
    const event: Heard = JSON.parse(text);
    if (event.type === "metrics" || event.type === "hello") return;
    heard.push(event);
    times.push(performance.now() - started);
    const path = event.data.preview_path ?? event.data.path;
    sizes.push(path ? size(path) : Promise.resolve(""));
  });
  await page.goto(`${server.url}/nothing`);
  await page.evaluate(
    () =>
      new Promise((opened) => {
        const socket = new WebSocket(`ws://${location.host}/ws`);
        socket.onmessage = ({ data }) => {
          opened(undefined);
          (window as unknown as { hear: (text: string) => void }).hear(data);
        };
      }),
  );
  const { task_id } = await ask(request, server.url, project, { prompt: "a red car on a yellow background", steps: 70, seed: 7 });
  const status = async () => (await (await request.get(`${server.url}/api/v1/tasks/${task_id}`)).json()).status;
  await expect.poll(status, { timeout: 120_000 }).toBe("completed");
  await new Promise((resolve) => setTimeout(resolve, 500));
  for (const [i, event] of heard.entries()) {
    const step = event.data.step === undefined ? "" : ` ${event.data.step}`;
    console.log(`${(times[i] ?? 0).toFixed(0).padStart(6)} ms  seq ${String(event.seq).padStart(3)}  ${(event.type + step).padEnd(26)} ${await sizes[i]}`);
  }
  const count = (type: string) => heard.filter((event) => event.type === type).length;
  expect([count("frame_created"), count("generation_started"), count("generation_progress"), count("generation_completed")]).toEqual([1, 1, 70, 1]);
  expect(await (await request.get(`${server.url}/api/v1/projects/${project}/frames`)).json()).toHaveLength(1);
  consoleMessages.length = 0;
});
