import { expect, type APIRequestContext, type Page } from "@playwright/test";
import { hydrated } from "./test.ts";

/** Creates a project of the starter model's size by the API. */
export async function newProject(request: APIRequestContext, home: string, name = "Storm over the bay", side = 128): Promise<number> {
  const made = await request.post(`${home}/api/v1/projects`, { data: { name, width: side, height: side, fps: 12 } });
  expect(made.status()).toBe(201);
  return (await made.json()).id;
}

/** Creates a project with larger pictures: 1000 steps take a minute, not some seconds as in the model's own size. */
export async function slowProject(request: APIRequestContext, home: string): Promise<number> {
  return newProject(request, home, "Storm over the bay", 384);
}

/** Opens its studio and waits until it is hydrated and connected. */
export async function openStudio(page: Page, home: string, project: number): Promise<void> {
  await page.goto(`${home}/projects/${project}`);
  await hydrated(page);
}

/** Types a prompt and presses Generate. */
export async function generate(page: Page, prompt: string, steps: number): Promise<void> {
  await page.getByRole("textbox", { name: "Prompt", exact: true }).fill(prompt);
  await page.getByRole("spinbutton", { name: "Steps" }).fill(String(steps));
  await page.getByRole("button", { name: "Generate" }).click();
}

/** Requests a generation by the API, which responds when its frame is on the timeline. */
export async function ask(request: APIRequestContext, home: string, project: number, asked: object): Promise<{ task_id: number; frame_id: number; take_id: number }> {
  const answer = await request.post(`${home}/api/v1/projects/${project}/generations`, { data: asked });
  expect(answer.status(), await answer.text()).toBe(202);
  return (await answer.json()).tasks[0];
}

/** Creates frames with finished pictures of one step. */
export async function finishedFrames(request: APIRequestContext, home: string, project: number, count: number): Promise<void> {
  const completed = async () => (await (await request.get(`${home}/api/v1/tasks?project_id=${project}&status=completed`)).json()).length;
  const before = await completed();
  for (let i = 0; i < count; i++) await ask(request, home, project, { prompt: `a red circle ${i}`, steps: 1, seed: i });
  await expect.poll(completed, { timeout: 90_000 }).toBe(before + count);
}

/** The frame's ids in the order of the timeline. */
export async function order(request: APIRequestContext, home: string, project: number): Promise<number[]> {
  const frames = await (await request.get(`${home}/api/v1/projects/${project}/frames`)).json();
  return frames.map((frame: { id: number }) => frame.id);
}

/** Records every picture that the page fetches from now on. */
export function pictureRequests(page: Page): string[] {
  const asked: string[] = [];
  page.on("request", (request) => {
    if (new URL(request.url()).pathname.startsWith("/media/")) asked.push(request.url());
  });
  return asked;
}

/** Megabytes of the page's WASM memory, which never shrinks. */
export async function wasmMb(page: Page): Promise<number> {
  return page.evaluate(async () => {
    const { default: init } = await import("/pkg/emberline.js" as string);
    return (await init()).memory.buffer.byteLength / 1e6;
  });
}

/** Drops a picture's file on the form. */
export async function dropPicture(page: Page, bytes: Buffer, name: string): Promise<void> {
  const data = await page.evaluateHandle(
    ([bytes, name]) => {
      const data = new DataTransfer();
      data.items.add(new File([Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0))], name, { type: "image/png" }));
      return data;
    },
    [bytes.toString("base64"), name] as const,
  );
  await page.getByRole("form", { name: "New picture" }).dispatchEvent("drop", { dataTransfer: data });
}
