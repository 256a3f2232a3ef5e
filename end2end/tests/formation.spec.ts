import type { APIRequestContext, Page } from "@playwright/test";
import { ask, generate, newProject, openStudio } from "../support/studio.ts";
import { expect, expectAccessible, hydrated, keepScreenshot, serverForThisFile, test } from "../support/test.ts";

const server = serverForThisFile();
const LAST = 8;

/** Asks for a picture of a few steps and waits for it. */
async function made(request: APIRequestContext, project: number, seed: number, more: object = {}): Promise<{ frame_id: number; take_id: number }> {
  const task = await ask(request, server.url, project, { prompt: "a red circle", steps: LAST, seed, ...more });
  const status = async () => (await (await request.get(`${server.url}/api/v1/tasks/${task.task_id}`)).json()).status;
  await expect.poll(status, { timeout: 30_000 }).toBe("completed");
  return task;
}

async function keep(request: APIRequestContext, trace: "off" | "looking" | "all"): Promise<void> {
  expect((await request.patch(`${server.url}/api/v1/settings`, { data: { trace } })).status()).toBe(200);
}

const slider = (page: Page) => page.getByRole("slider", { name: "Step", exact: true });
const step = (page: Page) => page.locator(".viewer-step-picture");
const at = (number: number) => new RegExp(`/steps/${number}\\.png\\?v=`);

test("a take is scrubbed through by keys", async ({ page, request }) => {
  const project = await newProject(request, server.url);
  await made(request, project, 1);
  await openStudio(page, server.url, project);
  await expect(slider(page)).toHaveAttribute("max", String(LAST));
  await expect(slider(page)).toHaveAttribute("aria-valuetext", "Finished picture");
  await expect(step(page)).toHaveCount(0);
  const finished = await page.locator("#picture").getAttribute("src");
  const box = await page.locator("#picture").boundingBox();

  await slider(page).focus();
  await page.keyboard.press("ArrowLeft");
  await expect(step(page)).toHaveAttribute("src", at(LAST - 1));
  await expect(slider(page)).toHaveAttribute("aria-valuetext", `Step ${LAST - 1} of ${LAST}`);
  await expect(page.locator(".scrub-said")).toHaveText(`Step ${LAST - 1} of ${LAST}`);
  await page.keyboard.press("Home");
  await expect(step(page)).toHaveAttribute("src", at(1));
  // The small picture is enlarged to where the finished one is.
  expect(await step(page).boundingBox()).toEqual(box);
  expect(await step(page).evaluate((image: HTMLImageElement) => image.naturalWidth)).toBe(16);
  await expectAccessible(page);

  await page.keyboard.press("Escape");
  await expect(step(page)).toHaveCount(0);
  await expect(slider(page)).toHaveValue(String(LAST));
  await page.keyboard.press("Home");
  await page.keyboard.press("End");
  await expect(step(page)).toHaveCount(0);

  // The focus goes elsewhere: the finished picture is back. The frame never changed.
  await page.keyboard.press("Home");
  await expect(step(page)).toHaveCount(1);
  await page.getByRole("textbox", { name: "Prompt", exact: true }).focus();
  await expect(step(page)).toHaveCount(0);
  expect(await page.locator("#picture").getAttribute("src")).toBe(finished);
});

test("a take is scrubbed through by mouse and by touch, and the next pictures are there before", async ({ page, request }) => {
  const project = await newProject(request, server.url);
  await made(request, project, 1);
  await made(request, project, 2);
  await openStudio(page, server.url, project);
  await expect(slider(page)).toBeVisible();
  const steps: string[] = [];
  page.on("request", (asked) => {
    if (asked.url().includes("/steps/")) steps.push(asked.url());
  });

  // The mouse comes near: every picture of the steps is fetched, once.
  const box = (await slider(page).boundingBox())!;
  const y = box.y + box.height / 2;
  await page.mouse.move(box.x + box.width - 8, y);
  await expect.poll(() => new Set(steps).size).toBe(LAST);
  await page.mouse.down();
  const seen = new Set<string>();
  for (let part = 20; part >= 0; part--) {
    await page.mouse.move(box.x + 8 + ((box.width - 16) * part) / 20, y);
    const src = await step(page).getAttribute("src", { timeout: 1000 }).catch(() => null);
    if (src) seen.add(src);
  }
  await expect(step(page)).toHaveAttribute("src", at(1));
  await page.mouse.up();
  await expect(step(page)).toHaveAttribute("src", at(1));
  expect(seen.size).toBe(LAST - 1);
  expect(steps.length, "no picture is fetched twice").toBe(LAST);

  // Another frame shows its own finished picture.
  await page.locator(".clip-button").first().click();
  await expect(step(page)).toHaveCount(0);
  await expect(slider(page)).toHaveValue(String(LAST));

  const touch = await page.context().newCDPSession(page);
  const point = (x: number) => [{ x, y }];
  await touch.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: point(box.x + box.width - 8) });
  await touch.send("Input.dispatchTouchEvent", { type: "touchMove", touchPoints: point(box.x + box.width / 2) });
  await touch.send("Input.dispatchTouchEvent", { type: "touchMove", touchPoints: point(box.x + 8) });
  await expect(step(page)).toHaveAttribute("src", at(1));
  await touch.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
});

test("how a take formed is played, and the mouse over a clip goes through it", async ({ page, request }) => {
  const project = await newProject(request, server.url);
  await made(request, project, 1);
  await openStudio(page, server.url, project);
  await page.evaluate(() => {
    const shown: string[] = [];
    Object.assign(window, { shown });
    new MutationObserver(() => {
      const src = document.querySelector(".viewer-step-picture")?.getAttribute("src");
      if (src && shown.at(-1) !== src) shown.push(src);
    }).observe(document.querySelector("#stage")!, { subtree: true, childList: true, attributes: true });
  });
  await page.getByRole("button", { name: "Play how it formed" }).click();
  await expect(page.getByRole("button", { name: "Pause", exact: true })).toBeVisible();
  await expect(page.getByRole("button", { name: "Play how it formed" })).toBeVisible();
  await expect(step(page)).toHaveCount(0);
  const shown = (await page.evaluate(() => (window as unknown as { shown: string[] }).shown)).map((src) => Number(/steps\/(\d+)/.exec(src)?.[1]));
  expect(shown).toEqual([1, 2, 3, 4, 5, 6, 7]);

  const clip = (await page.locator(".clip-button").boundingBox())!;
  const over = page.locator(".clip-formation");
  await page.mouse.move(clip.x + 2, clip.y + 20);
  await page.waitForResponse((answer) => answer.url().includes("takes/trace"));
  await expect(async () => {
    await page.mouse.move(clip.x + 2, clip.y + 21);
    await page.mouse.move(clip.x + 1, clip.y + 20);
    await expect(over).toHaveAttribute("src", at(1), { timeout: 200 });
  }).toPass();
  // Its place is in whole pixels.
  const covered = (await over.boundingBox())!;
  for (const side of ["x", "y", "width", "height"] as const) expect(Math.abs(covered[side] - clip[side]), side).toBeLessThan(1);
  await page.mouse.move(clip.x + clip.width - 1, clip.y + 20);
  await expect(over).toHaveAttribute("src", at(LAST));
  await page.mouse.move(clip.x, clip.y - 200);
  await expect(over).toBeHidden();
});

test("a picture that forms can be scrubbed back while it goes on", async ({ page, request }) => {
  const project = await newProject(request, server.url, "Storm over the bay", 384);
  await openStudio(page, server.url, project);
  await generate(page, "a red circle", 400);
  await expect(slider(page)).toHaveAttribute("max", "400", { timeout: 30_000 });
  await expect(slider(page)).toHaveAttribute("aria-valuetext", "Newest step");
  // While the first step is the newest one, there is nothing to go back to.
  await expect(page.getByText(/^Step ([3-9]|\d\d+)\/400$/)).toBeVisible();
  await slider(page).focus();
  await page.keyboard.press("Home");
  await expect(step(page)).toHaveAttribute("src", at(1));
  const before = await page.getByText(/^Step \d+\/400$/).textContent();
  await expect(page.getByText(/^Step \d+\/400$/)).not.toHaveText(before!);
  await expect(step(page)).toHaveAttribute("src", at(1));
  await page.keyboard.press("ArrowRight");
  await expect(step(page)).toHaveAttribute("src", at(2));
  await page.keyboard.press("Escape");
  await expect(step(page)).toHaveCount(0);
  await page.getByRole("region", { name: "Viewer" }).getByRole("button", { name: "Cancel" }).click();
});

test("a take without a trace has no scrub bar", async ({ page, request }) => {
  const project = await newProject(request, server.url);
  await keep(request, "off");
  await made(request, project, 1);
  await keep(request, "looking");
  await made(request, project, 2);
  await openStudio(page, server.url, project);
  await expect(slider(page)).toBeVisible();
  const row = await page.locator(".scrub-row").boundingBox();
  await page.locator(".clip-button").first().click();
  await expect(slider(page)).toHaveCount(0);
  expect(await page.locator(".scrub-row").boundingBox(), "nothing moves").toEqual(row);

  // Steps that were kept to be looked at say why they cannot be branched from.
  await page.locator(".clip-button").last().click();
  await slider(page).focus();
  await page.keyboard.press("Home");
  await page.getByRole("button", { name: "Branch from step 1" }).click();
  await expect(page.getByRole("alert")).toContainText("kept to be looked at, not to branch from");
});

test("a take branches from a step, and the takes are drawn as a tree", async ({ page, request }) => {
  await keep(request, "all");
  const project = await newProject(request, server.url);
  const { take_id } = await made(request, project, 1, { prompt: "a red car on a yellow background" });
  await openStudio(page, server.url, project);
  await slider(page).focus();
  await page.keyboard.press("Home");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  await page.getByRole("button", { name: "Branch from step 3" }).click();

  const form = page.getByRole("form", { name: "New picture" });
  const prompt = form.getByRole("textbox", { name: "Prompt", exact: true });
  await expect(prompt).toBeFocused();
  await expect(prompt).toHaveValue("a red car on a yellow background");
  await expect(form.getByText("Branches from step 3")).toBeVisible();
  await expect(form.getByRole("spinbutton", { name: "Steps" })).toHaveValue(String(LAST));
  for (const name of ["Steps", "Rescale", "Takes"]) await expect(form.getByRole("spinbutton", { name })).toBeDisabled();
  for (const name of ["Schedule", "Picture size"]) await expect(form.getByRole("combobox", { name, exact: true })).toBeDisabled();
  await expect(form.getByRole("spinbutton", { name: "Guidance" })).toBeEnabled();
  await expectAccessible(page);

  // It survives a reload.
  await page.reload();
  await hydrated(page);
  await expect(form.getByRole("spinbutton", { name: "Steps" })).toBeDisabled();
  await prompt.fill("a green car on a yellow background");
  await form.getByRole("button", { name: "Generate from step 3" }).click();
  const takes = page.getByRole("region", { name: "Takes" });
  const branch = takes.getByRole("button", { name: "Take 2 of 2. Branch of take 1 at step 3" });
  await expect(branch).toHaveAttribute("aria-pressed", "true", { timeout: 30_000 });
  await expect(page.getByText("Branch of take 1 at step 3", { exact: true })).toBeVisible();

  const [frame] = await (await request.get(`${server.url}/api/v1/projects/${project}/frames`)).json();
  const [child] = await (await request.get(`${server.url}/api/v1/frames/${frame.id}/takes`)).json();
  expect(child.parameters).toMatchObject({ branch_of: take_id, from_step: 3, prompt: "a green car on a yellow background", steps: LAST });
  const shared = async (take: number) => {
    const { steps } = await (await request.get(`${server.url}/api/v1/takes/${take}/trace`)).json();
    return Promise.all(steps.map(async (step: { path: string }) => (await (await request.get(server.url + step.path)).body()).toString("base64")));
  };
  const [of, own] = [await shared(take_id), await shared(child.id)];
  expect(own.slice(0, 3), "the first steps are the same").toEqual(of.slice(0, 3));
  expect(own[LAST - 1]).not.toBe(of[LAST - 1]);

  // A branch of the branch is one level deeper, below it.
  await slider(page).focus();
  await page.keyboard.press("ArrowLeft");
  await page.getByRole("button", { name: `Branch from step ${LAST - 1}` }).click();
  await form.getByRole("button", { name: `Generate from step ${LAST - 1}` }).click();
  await expect(takes.getByRole("button", { name: "Take 3 of 3" })).toBeVisible({ timeout: 30_000 });
  await expect(takes.locator(".take-note")).toHaveText(["Take 1", "Take 2, from step 3", `Take 3, from step ${LAST - 1}`]);
  await expect(takes.locator(".take-row")).toHaveCount(3);
  expect(await takes.locator(".take-row").evaluateAll((rows) => rows.map((row) => row.getAttribute("data-depth")))).toEqual(["0", "1", "2"]);
  await expectAccessible(page);

  // Without the branch it is a generation of its own again, with everything enabled.
  await form.getByRole("button", { name: "Remove" }).click();
  await expect(form.getByRole("button", { name: "Generate", exact: true })).toBeVisible();
  await expect(form.getByRole("spinbutton", { name: "Steps" })).toBeEnabled();
  await keep(request, "looking");
});

test("how a take formed is exported as an animation", async ({ page, request, consoleMessages }) => {
  const project = await newProject(request, server.url);
  await made(request, project, 1);
  await openStudio(page, server.url, project);
  await page.getByRole("button", { name: "Export how it formed" }).click();
  const panel = page.getByRole("region", { name: "Export how it formed" });
  await panel.getByRole("combobox", { name: "Format" }).selectOption("webp");
  await panel.getByRole("combobox", { name: "Speed" }).selectOption("ease_out");
  await panel.getByRole("spinbutton", { name: "Seconds" }).fill("0");
  await panel.getByRole("button", { name: "Export" }).click();
  await expect(panel.getByRole("status")).toContainText("must be a number from 0.5 to 60");
  expect(consoleMessages.splice(0).filter((message) => !message.includes("422"))).toEqual([]);
  await panel.getByRole("spinbutton", { name: "Seconds" }).fill("1.5");
  await panel.getByRole("button", { name: "Export" }).click();
  const link = panel.getByRole("link", { name: "Download" });
  await expect(link).toBeVisible({ timeout: 20_000 });
  await expectAccessible(page);
  const file = await (await request.get(server.url + (await link.getAttribute("href")))).body();
  expect(file.subarray(0, 4).toString()).toBe("RIFF");
});

test("the rest of a picture is done in fewer steps, while it forms and from a step of a kept take", async ({ page, request, consoleMessages }) => {
  await keep(request, "all");
  const project = await newProject(request, server.url, "Storm over the bay", 192);
  await openStudio(page, server.url, project);
  await generate(page, "a red circle", 400);
  const status = page.locator(".viewer-status");
  const tasks = async () => (await (await request.get(`${server.url}/api/v1/tasks?project_id=${project}`)).json()) as { status: string; step: number; total_steps: number; parameters: { track?: { step: number; finish_in: number }[] } }[];
  await expect(status.getByText(/^Step ([3-9]|\d\d+)\/400$/)).toBeVisible({ timeout: 30_000 });
  await status.getByRole("button", { name: "Pause it" }).click();
  await expect(status.getByText(/^Paused at step/)).toBeVisible();
  const steps = status.getByRole("spinbutton", { name: "Finish in" });
  await expect(steps).toHaveValue("4");
  await expectAccessible(page);
  await steps.fill("500");
  await steps.press("Enter");
  await expect(page.getByRole("alert")).toContainText("steps that are left, not 500");
  expect(consoleMessages.splice(0).filter((message) => !message.includes("422"))).toEqual([]);
  await steps.fill("3");
  await status.getByRole("button", { name: "Finish in" }).click();
  const before = (await tasks())[0]!.step;
  await expect(status.getByText(`Paused at step ${before} of ${before + 3}`)).toBeVisible();
  await expect(page.getByRole("alert")).toHaveCount(0);
  await keepScreenshot(page, "finish-in");
  await status.getByRole("button", { name: "Resume" }).click();
  await expect.poll(async () => (await tasks())[0]!.status, { timeout: 30_000 }).toBe("completed");
  expect((await tasks())[0]).toMatchObject({ step: before + 3, parameters: { track: [{ step: before, finish_in: 3 }] } });

  // One that is kept early offers its last state.
  await generate(page, "a blue square", 400);
  await expect(status.getByText(/^Step ([3-9]|\d\d+)\/400$/)).toBeVisible({ timeout: 30_000 });
  await status.getByRole("button", { name: "Finish now" }).click();
  await expect.poll(async () => (await tasks())[0]!.status, { timeout: 30_000 }).toBe("completed");
  // A state is kept before each step, so the last one is that of the step before.
  const kept = (await tasks())[0]!.step - 1;
  await page.getByRole("button", { name: `Branch from step ${kept}` }).click();
  const form = page.getByRole("form", { name: "New picture" });
  await form.getByRole("spinbutton", { name: "Finish in" }).fill("2");
  await expectAccessible(page);
  await form.getByRole("button", { name: `Generate from step ${kept}` }).click();
  await expect.poll(async () => (await tasks()).map((task) => task.status), { timeout: 30_000 }).toEqual(["completed", "completed", "completed"]);
  expect((await tasks())[0]).toMatchObject({ step: kept + 2, parameters: { from_step: kept, track: [{ step: kept, finish_in: 2 }] } });
});

test("the steps of a take are pinned", async ({ page, request }) => {
  const project = await newProject(request, server.url);
  const { take_id } = await made(request, project, 1);
  await openStudio(page, server.url, project);
  const pin = page.getByRole("button", { name: "Pin these steps" });
  await expect(pin).toHaveAttribute("aria-pressed", "false");
  await pin.click();
  await expect(pin).toHaveAttribute("aria-pressed", "true");
  const pinned = async () => (await (await request.get(`${server.url}/api/v1/takes/${take_id}/trace`)).json()).trace_pinned;
  await expect.poll(pinned).toBe(true);
  await expectAccessible(page);
  await page.reload();
  await hydrated(page);
  await expect(pin).toHaveAttribute("aria-pressed", "true");
  await pin.click();
  await expect.poll(pinned).toBe(false);
});
