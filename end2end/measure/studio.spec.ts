// Figures, not tests: nothing here fails for being slow. `npx playwright test --config measure.config.ts`
import { expect, type APIRequestContext, type CDPSession, type Page } from "@playwright/test";
import { ask, finishedFrames, newProject, openStudio, order, wasmMb, slowProject } from "../support/studio.ts";
import { serverForThisFile, test } from "../support/test.ts";

const server = serverForThisFile();

/** The quantile of the values. */
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

/** Cancels running and queued tasks. */
async function cancelAll(request: APIRequestContext): Promise<void> {
  const { tasks } = await (await request.get(`${server.url}/api/v1/queue`)).json();
  for (const task of tasks.reverse()) await request.post(`${server.url}/api/v1/tasks/${task.task_id}/cancel`);
}

/** Presses Generate; milliseconds until the repaint that shows the new frame. */
async function clickToFrame(page: Page): Promise<number> {
  return page.evaluate(
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
  );
}

test("from the click to the frame on the timeline", async ({ page, request }) => {
  const project = await slowProject(request, server.url);
  await openStudio(page, server.url, project);
  await page.getByRole("textbox", { name: "Prompt", exact: true }).fill("a red circle");
  await page.getByRole("spinbutton", { name: "Steps" }).fill("1000");
  const [alone, beside]: [number[], number[]] = [[], []];
  for (let i = 0; i < 40; i++) {
    alone.push(await clickToFrame(page));
    await cancelAll(request);
    await expect(page.locator("[data-clip]")).toHaveCount(0);
    await page.waitForTimeout(200);
  }
  await ask(request, server.url, project, { prompt: "a blue square", steps: 1000 });
  for (let i = 0; i < 40; i++) {
    await page.waitForTimeout(50);
    beside.push(await clickToFrame(page));
  }
  const figures = (values: number[]) => `median ${ms(quantile(values, 0.5))}, p95 ${ms(quantile(values, 0.95))}, most ${ms(Math.max(...values))}`;
  tell("click to frame, nothing running", figures(alone));
  tell("click to frame, a picture being made on the same cores", figures(beside));
  await cancelAll(request);
});

test("a studio with 100 frames: first paint, interactive, sizes", async ({ page, request, browser }) => {
  const project = await newProject(request, server.url);
  await finishedFrames(request, server.url, project, 100);
  const [paints, interactive]: [number[], number[]] = [[], []];
  for (let i = 0; i < 5; i++) {
    // A new context: nothing is cached.
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

test("memory after many previews", async ({ page, request }) => {
  const generations = Number(process.env.EMBERLINE_GENERATIONS ?? 500);
  for (const of of ["a frame each", "takes of one frame"]) {
    const project = await newProject(request, server.url);
    await openStudio(page, server.url, project);
    const session = await page.context().newCDPSession(page);
    await page.getByRole("button", { name: "Settings", exact: true }).click();
    await page.getByRole("combobox", { name: "Update previews on this page" }).selectOption("live");
    await page.keyboard.press("Escape");
    let done = 0;
    const report = async () => tell(`${of}: after ${done} generations`, `heap ${(await heapMb(session)).toFixed(1)} MB, WASM ${(await wasmMb(page)).toFixed(1)} MB`);
    const { frame_id } = await ask(request, server.url, project, { prompt: "a red circle", steps: 2 });
    const to = of === "a frame each" ? {} : { frame_id };
    await report();
    while (done < generations) {
      for (let i = 0; i < 10; i++, done++) await ask(request, server.url, project, { prompt: "a red circle", steps: 2, ...to });
      await expect.poll(async () => (await (await request.get(`${server.url}/api/v1/queue`)).json()).tasks.length, { timeout: 120_000 }).toBe(0);
      if (done % 100 === 0) await report();
    }
  }
});

test("memory after scrolling", async ({ page, request }) => {
  const project = await newProject(request, server.url);
  await finishedFrames(request, server.url, project, 1);
  const [frame] = await order(request, server.url, project);
  for (let i = 1; i < 500; i++) await request.post(`${server.url}/api/v1/frames/${frame}/duplicate`);
  await openStudio(page, server.url, project);
  for (let pass = 0; pass < 6; pass++) {
    tell(`500 frames, after ${pass} passes of 120 jumps to other clips`, `WASM ${(await wasmMb(page)).toFixed(1)} MB`);
    await page.evaluate(async () => {
      const strip = document.querySelector("#strip");
      for (let i = 0; strip && i < 120; i++) {
        strip.scrollLeft = (i % 20) * 2000;
        await new Promise(requestAnimationFrame);
      }
    });
  }
});

test("what the page draws while three generations run", async ({ page, request }) => {
  const project = await slowProject(request, server.url);
  await openStudio(page, server.url, project);
  const drawn = () => page.evaluate(async () => {
    let long = 0;
    const observer = new PerformanceObserver((list) => (long += list.getEntries().length));
    observer.observe({ entryTypes: ["longtask"] });
    let frames = 0;
    const until = performance.now() + 10_000;
    await new Promise<void>((resolve) => {
      const frame = () => (frames++, performance.now() < until ? requestAnimationFrame(frame) : resolve());
      requestAnimationFrame(frame);
    });
    observer.disconnect();
    return `${frames} of 600 frames in 10 s, ${long} tasks over 50 ms`;
  });
  tell("drawn while nothing happens", await drawn());
  for (let i = 0; i < 3; i++) await ask(request, server.url, project, { prompt: "a blue square", steps: 1000 });
  for (const pace of ["1", "live"]) {
    await page.getByRole("button", { name: "Settings", exact: true }).click();
    await page.getByRole("combobox", { name: "Update previews on this page" }).selectOption(pace);
    await page.keyboard.press("Escape");
    tell(`drawn while three generations run, refreshed at "${pace}"`, await drawn());
  }
  await cancelAll(request);
});
