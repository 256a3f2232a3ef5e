import type { Page } from "@playwright/test";
import { ask, finishedFrames, newProject, openStudio, order, pictureRequests, slowProject } from "../support/studio.ts";
import { expect, expectAccessible, serverForThisFile, test } from "../support/test.ts";

const server = serverForThisFile("--concurrency", "3");
const clip = (page: Page, place: number) => page.getByRole("button", { name: `Frame ${place}`, exact: true });

/** A picture from a canvas. */
async function picture(page: Page, type: "image/png" | "image/jpeg" | "image/webp", width: number, height: number): Promise<Buffer> {
  const base64 = await page.evaluate(
    ([type, width, height]) => {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [width, height];
      const context = canvas.getContext("2d")!;
      context.fillStyle = "teal";
      context.fillRect(0, 0, width, height / 2);
      return canvas.toDataURL(type).split(",")[1]!;
    },
    [type, width, height] as const,
  );
  return Buffer.from(base64, "base64");
}

test("several frames are marked, moved, stretched, copied and deleted together, and all of it is taken back", async ({ page, request }) => {
  const project = await newProject(request, server.url);
  await finishedFrames(request, server.url, project, 6);
  const now = () => order(request, server.url, project);
  const told = page.locator(".timeline-at");
  const [a, b, c, d, e, f] = await now();
  await openStudio(page, server.url, project);
  await clip(page, 2).click();
  await clip(page, 4).click({ modifiers: ["Shift"] });
  await expect(told).toContainText("3 selected");
  await expect(page.locator("p[role=status]")).toHaveText("3 frames selected.");
  await expect(page.locator("#strip [aria-pressed=true]")).toHaveCount(3);
  await expectAccessible(page);
  await page.keyboard.press("Alt+ArrowRight");
  await expect.poll(now).toEqual([a, e, b, c, d, f]);
  await page.keyboard.press("Control+z");
  await expect.poll(now).toEqual([a, b, c, d, e, f]);

  // Dragging one moves the whole selection.
  await clip(page, 3).hover();
  await page.mouse.down();
  const first = (await clip(page, 1).boundingBox())!;
  await page.mouse.move(first.x + 200, first.y + 20);
  await page.mouse.move(first.x + 5, first.y + 20, { steps: 4 });
  await page.mouse.up();
  await expect.poll(now).toEqual([b, c, d, a, e, f]);
  await page.getByRole("button", { name: "Undo" }).click();
  await expect.poll(now).toEqual([a, b, c, d, e, f]);

  // Escape, or a release away from the strip, ends a drag without a change.
  for (const end of ["Escape", "release outside"]) {
    await clip(page, 3).hover();
    await page.mouse.down();
    await page.mouse.move(first.x + 200, first.y + 20);
    await page.mouse.move(first.x + 5, first.y + 20, { steps: 4 });
    await expect(page.locator(".strip-gap")).toBeAttached();
    if (end === "Escape") await page.keyboard.press("Escape");
    else await page.mouse.move(first.x + 5, first.y - 200);
    await expect(page.locator(".strip-gap")).toHaveCount(0);
    await page.mouse.up();
    await expect(told, end).toContainText("3 selected");
  }
  expect(await now()).toEqual([a, b, c, d, e, f]);

  // A key of another alphabet counts by its place.
  const onion = page.getByRole("button", { name: "Onion skin" });
  await expect(onion).toHaveAttribute("aria-pressed", "false");
  await page.evaluate(() => document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "щ", code: "KeyO", bubbles: true })));
  await expect(onion).toHaveAttribute("aria-pressed", "true");
  for (let more = 0; more < 3; more++) await page.keyboard.press("O");
  await expect(onion).toHaveAttribute("aria-pressed", "false");

  // Several by clicks, without a keyboard.
  await clip(page, 1).click();
  await page.getByRole("button", { name: "Select several" }).click();
  await clip(page, 3).click();
  await clip(page, 6).click();
  await expect(told).toContainText("3 selected");
  await page.keyboard.press("Alt+ArrowUp");
  const lengths = async () => (await (await request.get(`${server.url}/api/v1/projects/${project}/frames`)).json()).map((frame: { duration: number }) => frame.duration);
  await expect.poll(lengths).toEqual([2, 1, 2, 1, 1, 2]);
  await page.keyboard.press("Delete");
  await expect.poll(now).toEqual([b, d, e]);
  await page.keyboard.press("Control+z");
  await expect.poll(now).toEqual([a, b, c, d, e, f]);
  await page.keyboard.press("Control+z");
  await expect.poll(lengths).toEqual([1, 1, 1, 1, 1, 1]);
  await page.getByRole("button", { name: "Select several" }).click();
  await expect(told).not.toContainText("selected");

  await page.keyboard.press("Control+a");
  await expect(told).toContainText("6 selected");
  await page.keyboard.press("Control+d");
  await expect.poll(async () => (await now()).length).toBe(12);
  const copied = await now();
  expect(copied.filter((_, place) => place % 2 === 0), "each copy right behind its own").toEqual([a, b, c, d, e, f]);
  await expect(page.getByRole("button", { name: "Undo" })).toBeEnabled();
  await page.getByRole("button", { name: "Undo" }).click();
  await expect.poll(now).toEqual([a, b, c, d, e, f]);
  await page.keyboard.press("Escape");
  await expect(told).not.toContainText("selected");
});

test("a note belongs to its frame", async ({ page, request }) => {
  const project = await newProject(request, server.url);
  await finishedFrames(request, server.url, project, 3);
  await openStudio(page, server.url, project);
  const note = page.getByRole("textbox", { name: "Note" });
  const notes = async () => (await (await request.get(`${server.url}/api/v1/projects/${project}/frames`)).json()).map((frame: { note: string }) => frame.note);
  await clip(page, 1).click();
  await note.fill("Dawn");
  await clip(page, 2).click();
  await expect(note).toHaveValue("");
  await note.fill("Noon");
  // The field is removed with its frame, without a change event.
  await page.evaluate(() => document.querySelector<HTMLElement>("[data-clip]:nth-child(3) button")!.click());
  await expect(note).toHaveValue("");
  await expect.poll(notes).toEqual(["Dawn", "Noon", ""]);
  await clip(page, 1).click();
  await expect(note).toHaveValue("Dawn");
  await page.reload();
  await clip(page, 2).click();
  await expect(note).toHaveValue("Noon");
});

test("pictures from elsewhere and blank ones stand beside generated ones", async ({ page, request, consoleMessages }) => {
  const project = await newProject(request, server.url);
  await finishedFrames(request, server.url, project, 2);
  const [a, b] = await order(request, server.url, project);
  await openStudio(page, server.url, project);
  await clip(page, 1).click();
  await page.getByLabel("Add pictures").setInputFiles([
    { name: "one.png", mimeType: "image/png", buffer: await picture(page, "image/png", 128, 128) },
    { name: "two.jpg", mimeType: "image/jpeg", buffer: await picture(page, "image/jpeg", 203, 131) },
    { name: "three.webp", mimeType: "image/webp", buffer: await picture(page, "image/webp", 64, 64) },
  ]);
  const any = expect.any(Number);
  await expect.poll(() => order(request, server.url, project)).toEqual([a, any, any, any, b]);
  await expect(clip(page, 4)).toHaveAttribute("aria-current", "true");
  await expect(page.getByText("Imported or blank.")).toBeVisible();
  await expect(page.getByText("64 × 64")).toBeVisible();
  await expectAccessible(page);
  // One import of several files is one step for Undo.
  await page.getByRole("button", { name: "Undo" }).click();
  await expect.poll(() => order(request, server.url, project)).toEqual([a, b]);
  await page.getByRole("button", { name: "Redo" }).click();
  await expect.poll(() => order(request, server.url, project)).toHaveLength(5);

  await clip(page, 5).click();
  await page.getByRole("button", { name: "Add a blank frame" }).click();
  await expect.poll(() => order(request, server.url, project)).toHaveLength(6);
  await expect(clip(page, 6)).toHaveAttribute("aria-current", "true");

  // Dropped on the timeline: inserted at the pointer.
  const png = (await picture(page, "image/png", 128, 128)).toString("base64");
  const data = await page.evaluateHandle((bytes) => {
    const data = new DataTransfer();
    data.items.add(new File([Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0))], "four.png", { type: "image/png" }));
    return data;
  }, png);
  const box = (await clip(page, 1).boundingBox())!;
  await page.locator("#strip").dispatchEvent("drop", { dataTransfer: data, clientX: box.x + 2, clientY: box.y + 2 });
  await expect.poll(async () => (await order(request, server.url, project))[1]).toBe(a);

  await page.getByLabel("Add pictures").setInputFiles({ name: "notes.png", mimeType: "image/png", buffer: Buffer.from("no picture") });
  await expect(page.getByRole("alert")).toContainText("Notes.png");
  await expect(page.getByRole("alert")).toContainText(/PNG, JPEG or WebP/);
  expect(await order(request, server.url, project)).toHaveLength(7);
  // The browser logs the status of the response.
  expect(consoleMessages.filter((message) => message.includes("422"))).toHaveLength(1);
  consoleMessages.splice(0, 1);
});

test("two takes are compared by a slider", async ({ page, request }) => {
  const project = await newProject(request, server.url);
  await finishedFrames(request, server.url, project, 1);
  const [frame] = await order(request, server.url, project);
  await ask(request, server.url, project, { prompt: "a blue square", steps: 1, frame_id: frame });
  await openStudio(page, server.url, project);
  const takes = page.getByRole("button", { name: /^Take \d of 2$/ });
  await expect(takes).toHaveCount(2, { timeout: 30_000 });
  await page.getByRole("button", { name: "Compare two takes" }).click();
  const beside = page.getByRole("img", { name: "The take beside it" });
  await expect(beside).toBeVisible();
  const [shown, other] = [await page.locator("#picture").getAttribute("src"), await beside.getAttribute("src")];
  expect(other).not.toBe(shown);
  const slider = page.getByRole("slider", { name: "Where the two takes meet" });
  await slider.fill("25");
  await expect(page.locator(".compare-half")).toHaveCSS("clip-path", "inset(0px 0px 0px 25%)");
  await expectAccessible(page);
  // Selecting the compared take swaps the two.
  await takes.last().click();
  await expect(page.locator("#picture")).toHaveAttribute("src", other!);
  await expect(beside).toHaveAttribute("src", shown!);
  await page.getByRole("button", { name: "Compare two takes" }).click();
  await expect(beside).toBeHidden();
});

test("the queue is put into another order by pointer and by keyboard", async ({ page, request }) => {
  const project = await newProject(request, server.url);
  await request.post(`${server.url}/api/v1/queue/pause`);
  const prompts = ["one", "two", "three", "four"];
  for (const prompt of prompts) await ask(request, server.url, project, { prompt, steps: 1 });
  await openStudio(page, server.url, project);
  await page.getByRole("button", { name: /^Queue/ }).click();
  const rows = page.locator(".queue-row");
  const told = () => page.locator(".queue-prompt").allTextContents();
  await expect.poll(told).toEqual(prompts);
  const last = (await rows.nth(3).boundingBox())!;
  await rows.nth(0).dragTo(rows.nth(2), { targetPosition: { x: last.width / 2, y: last.height - 2 } });
  await expect.poll(told).toEqual(["two", "three", "one", "four"]);
  await rows.nth(3).getByRole("button", { name: /^Move:/ }).focus();
  await page.keyboard.press("ArrowUp");
  await expect.poll(told).toEqual(["two", "three", "four", "one"]);
  await expect(rows.nth(2).getByRole("button", { name: /^Move:/ }), "the focus goes with it").toBeFocused();
  await expectAccessible(page);
  const queued = (await (await request.get(`${server.url}/api/v1/queue`)).json()).tasks.map((task: { prompt: string }) => task.prompt);
  expect(queued).toEqual(["two", "three", "four", "one"]);
  await page.getByRole("button", { name: "Cancel all in this project" }).click();
  await expect.poll(told).toEqual([]);
  await page.getByRole("button", { name: "Resume" }).click();
});

test("the form tells how long it will take, once the machine's pace is known", async ({ page, request }) => {
  const project = await newProject(request, server.url);
  await finishedFrames(request, server.url, project, 1);
  await openStudio(page, server.url, project);
  await page.getByRole("spinbutton", { name: "Steps" }).fill("1000");
  await expect(page.getByText(/^About \d+ (s|min)$/)).toBeVisible();
  await page.getByRole("spinbutton", { name: "Takes" }).fill("16");
  await expect(page.getByText(/^About \d+ (min|h)$/)).toBeVisible();
});

test("three that form are each fetched by the interval", async ({ page, request }) => {
  const project = await slowProject(request, server.url);
  await openStudio(page, server.url, project);
  const fetched = pictureRequests(page);
  for (const prompt of ["a red circle", "a blue square", "a green star"]) await ask(request, server.url, project, { prompt, steps: 1000 });
  await expect(page.getByRole("button", { name: /^Frame \d, being made/ })).toHaveCount(3);
  const running = async () => (await (await request.get(`${server.url}/api/v1/tasks?project_id=${project}&status=running`)).json()).filter((task: { step: number }) => task.step > 2).length;
  await expect.poll(running, { timeout: 60_000 }).toBe(3);
  fetched.length = 0;
  await page.waitForTimeout(10_000);
  const each = new Map<string, number>();
  for (const address of fetched) each.set(new URL(address).pathname, (each.get(new URL(address).pathname) ?? 0) + 1);
  expect(each.size).toBe(3);
  for (const count of each.values()) {
    expect(count, "at 1 s").toBeGreaterThanOrEqual(5);
    expect(count, "at 1 s").toBeLessThanOrEqual(11);
  }
  await page.getByRole("button", { name: /^Queue/ }).click();
  await page.getByRole("button", { name: "Cancel all in this project" }).click();
  await expect(page.getByRole("button", { name: /^Frame \d/ })).toHaveCount(0);
});
