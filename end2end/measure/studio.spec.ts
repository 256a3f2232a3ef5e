// Figures, not tests: nothing here fails for being slow. `npx playwright test --config measure.config.ts`
import { expect, type CDPSession, type Page } from "@playwright/test";
import { ask, finishedFrames, newProject, openStudio } from "../support/studio.ts";
import { serverForThisFile, test } from "../support/test.ts";

const server = serverForThisFile();

/** The value under which this share of the values lies. */
function quantile(values: number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}

const tell = (what: string, value: string) => console.log(`${what.padEnd(58)} ${value}`);
const ms = (value: number) => `${value.toFixed(0)} ms`;

async function heapMb(session: CDPSession): Promise<number> {
  await session.send("HeapProfiler.collectGarbage");
  const { usedSize } = await session.send("Runtime.getHeapUsage");
  return usedSize / 1e6;
}

/** Megabytes of WASM memory, which never shrinks. */
async function wasmMb(page: Page): Promise<number> {
  return page.evaluate(async () => {
    const { default: init } = await import("/pkg/emberline.js" as string);
    return (await init()).memory.buffer.byteLength / 1e6;
  });
}

test("from the click to the frame on the timeline", async ({ page, request }) => {
  const project = await newProject(request, server.url);
  await openStudio(page, server.url, project);
  await page.getByRole("textbox", { name: "Prompt", exact: true }).fill("a red circle");
  await page.getByRole("spinbutton", { name: "Steps" }).fill("1000");
  const measured: number[] = [];
  for (let i = 0; i < 40; i++) {
    measured.push(
      await page.evaluate(
        () =>
          new Promise<number>((resolve) => {
            const strip = document.querySelector(".strip-frames");
            const go = document.querySelector<HTMLElement>(".maker-go");
            if (!strip || !go) throw new Error("no studio");
            const started = performance.now();
            new MutationObserver((_, observer) => {
              observer.disconnect();
              requestAnimationFrame(() => resolve(performance.now() - started));
            }).observe(strip, { childList: true });
            go.click();
          }),
      ),
    );
    await page.waitForTimeout(50);
  }
  tell("click to frame, idle server at first, one generation then", `median ${ms(quantile(measured, 0.5))}, p95 ${ms(quantile(measured, 0.95))}`);
  const tasks = await (await request.get(`${server.url}/api/v1/queue`)).json();
  for (const task of tasks.tasks.reverse()) await request.post(`${server.url}/api/v1/tasks/${task.task_id}/cancel`);
});

test("a studio with 100 frames: first paint, interactive, sizes", async ({ page, request, browser }) => {
  const project = await newProject(request, server.url);
  await finishedFrames(request, server.url, project, 100);
  const [paints, interactive]: [number[], number[]] = [[], []];
  for (let i = 0; i < 5; i++) {
    // A context of its own: nothing is cached.
    const context = await browser.newContext();
    const fresh = await context.newPage();
    await openStudio(fresh, server.url, project);
    const [paint, live] = await fresh.evaluate(() => {
      const paint = performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0;
      return [paint, performance.now()] as const;
    });
    paints.push(paint);
    interactive.push(live);
    await context.close();
  }
  tell("first contentful paint, nothing cached", `median ${ms(quantile(paints, 0.5))}`);
  tell("hydrated and listening, nothing cached", `median ${ms(quantile(interactive, 0.5))} at most`);
  await openStudio(page, server.url, project);
  for (const file of ["emberline_bg.wasm", "split_studio.wasm", "emberline.js", "emberline.css"]) {
    const answer = await request.get(`${server.url}/pkg/${file}`, { headers: { "accept-encoding": "br" } });
    tell(file, `${(Number(answer.headers()["content-length"]) / 1000).toFixed(1)} kB brotli`);
  }
});

test("memory after many previews, and frames dropped while three run", async ({ page, request }) => {
  const project = await newProject(request, server.url);
  await openStudio(page, server.url, project);
  const session = await page.context().newCDPSession(page);
  await page.getByRole("button", { name: "Settings", exact: true }).click();
  await page.getByRole("combobox", { name: "Refresh what forms" }).selectOption("live");
  await page.keyboard.press("Escape");
  const generations = Number(process.env.EMBERLINE_GENERATIONS ?? 500);
  let done = 0;
  const report = async () => tell(`after ${done} generations`, `heap ${(await heapMb(session)).toFixed(1)} MB, WASM ${(await wasmMb(page)).toFixed(1)} MB`);
  const { frame_id } = await ask(request, server.url, project, { prompt: "a red circle", steps: 2 });
  await report();
  while (done < generations) {
    for (let i = 0; i < 10; i++, done++) await ask(request, server.url, project, { prompt: "a red circle", steps: 2, frame_id });
    await expect.poll(async () => (await (await request.get(`${server.url}/api/v1/queue`)).json()).tasks.length, { timeout: 120_000 }).toBe(0);
    if (done % 100 === 0) await report();
  }
  for (let i = 0; i < 3; i++) await ask(request, server.url, project, { prompt: "a blue square", steps: 1000 });
  const [frames, long] = await page.evaluate(async () => {
    let long = 0;
    new PerformanceObserver((list) => (long += list.getEntries().length)).observe({ entryTypes: ["longtask"] });
    let frames = 0;
    const until = performance.now() + 10_000;
    await new Promise<void>((resolve) => {
      const frame = () => (frames++, performance.now() < until ? requestAnimationFrame(frame) : resolve());
      requestAnimationFrame(frame);
    });
    return [frames, long] as const;
  });
  tell("10 s with three generations, one running at a time", `${frames} of 600 frames drawn, ${long} tasks over 50 ms`);
});
