import { copyFileSync, mkdirSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { inflateSync } from "node:zlib";
import type { APIRequestContext, Page } from "@playwright/test";
import { Server } from "../support/server.ts";
import { listed, settle, starterShelf } from "../support/shelf.ts";
import { dropPicture, newProject, openStudio } from "../support/studio.ts";
import { expect, expectAccessible, hydrated, keepScreenshot, test } from "../support/test.ts";

// The model inside the binary with LoRA files, on two servers that share a folder of models.
const [server, other] = [new Server(), new Server()];
let folder = "";
test.beforeAll(async () => {
  folder = starterShelf();
  for (const one of [server, other]) await one.start("--device", "cpu", "--models", folder);
});
test.afterAll(async () => {
  for (const one of [server, other]) {
    expect(await one.stop(), "the server's exit status").toBe(0);
    one.clean();
    expect(one.warnings, "the server's warnings").toEqual([]);
  }
  rmSync(folder, { recursive: true, force: true });
});

const field = (page: Page, name: string) => page.getByLabel(name, { exact: true });
const prompt = (page: Page) => page.getByRole("textbox", { name: "Prompt", exact: true });
const weight = (page: Page, name: string) => page.getByRole("spinbutton", { name: `Weight of ${name}, as a number`, exact: true });
const tagged = (page: Page, name: string) => page.getByRole("group", { name: `In the prompt: ${name}`, exact: true });

/** Generates what is in the form and returns the picture's file. */
async function draw(page: Page, request: APIRequestContext, home: string, project: number): Promise<Buffer> {
  const tasks = async () => (await request.get(`${home}/api/v1/tasks?project_id=${project}&status=completed`)).json();
  const before = (await tasks()).length;
  await page.getByRole("button", { name: "Generate" }).click();
  await expect.poll(async () => (await tasks()).length, { timeout: 60_000 }).toBe(before + 1);
  const [newest] = await tasks();
  return (await request.get(`${home}${newest.preview_path}`)).body();
}

/** The pixels of a PNG, as its encoder has filtered them. */
function pixels(png: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 8; at < png.length; at += png.readUInt32BE(at) + 12) {
    if (png.toString("latin1", at + 4, at + 8) === "IDAT") parts.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)));
  }
  return inflateSync(Buffer.concat(parts));
}

async function keep(page: Page, name: string, width: number): Promise<void> {
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect(overflow, `${name}: pixels wider than the window`).toBeLessThanOrEqual(0);
  await expectAccessible(page);
  await keepScreenshot(page, `${name}-${width}`);
}

for (const width of [1440, 390]) {
  test.describe(`${width} px`, () => {
    test.use({ viewport: { width, height: width > 600 ? 900 : 844 } });

    test("two LoRA files in a prompt, a distilled one by a click, and the same pixels on another server", async ({ page, request }) => {
      for (const one of [server, other]) await listed(request, one.url, 3);
      const project = await newProject(request, server.url);
      await page.goto(`${server.url}/library`);
      await hydrated(page);
      const cover = page.locator(".library-cards > li").filter({ hasText: "Ink drawings" }).getByRole("presentation");
      await expect.poll(() => cover.evaluate((picture: HTMLImageElement) => picture.naturalWidth)).toBeGreaterThan(0);
      await keep(page, "shelf-library", width);

      await openStudio(page, server.url, project);
      await prompt(page).fill("a red circle <lora:inc:0.8> <lora:wash:0.5>");
      await expect(page.getByText('There is no LoRA "inc"; the nearest is "ink".')).toBeVisible();
      await expect(tagged(page, "inc").getByText("It is not in the library.")).toBeVisible();
      await keep(page, "shelf-unknown", width);
      await prompt(page).fill("a red circle <lora:ink:0.8> <lora:wash:0.5>");
      await expect(page.getByText("There is no LoRA")).toHaveCount(0);
      await expect(tagged(page, "ink").getByText("0.8", { exact: true })).toBeVisible();
      await expect(tagged(page, "wash").getByText("0.5", { exact: true })).toBeVisible();
      await tagged(page, "ink").getByRole("button", { name: "Move to the list" }).click();
      await expect(prompt(page)).toHaveValue("a red circle <lora:wash:0.5>");
      await expect(weight(page, "ink")).toHaveValue("0.8");
      await expect(weight(page, "ink")).toBeFocused();
      await expect(tagged(page, "ink")).toHaveCount(0);
      await keep(page, "shelf-chips", width);

      await field(page, "Steps").fill("4");
      await field(page, "Seed").fill("7");
      const first = await draw(page, request, server.url, project);
      await page.getByRole("combobox", { name: "LoRA" }).fill("light");
      await page.getByRole("option", { name: /^sdxl_lightning_8step_lora/ }).click();
      await page.getByRole("button", { name: "Use its settings" }).click();
      for (const [name, value] of [["Steps", "8"], ["Guidance", "1"], ["Sampler", "euler"], ["Schedule", "trailing"]] as const) {
        await expect(field(page, name)).toHaveValue(value);
      }
      const made = await draw(page, request, server.url, project);
      expect(pixels(made).equals(pixels(first))).toBe(false);
      await keep(page, "shelf-lightning", width);

      // The focus moves from a removed chip to the field that adds one, without its options. The field would search 150 ms later,
      // before the form asks for the duration of what it has now.
      const picker = page.getByRole("combobox", { name: "LoRA" });
      const searches: string[] = [];
      page.on("request", (request) => void (request.url().includes("/fn/library/list") && searches.push(request.url())));
      const estimated = page.waitForResponse(/\/fn\/generations\/estimate/);
      await page.getByRole("button", { name: "Remove ink", exact: true }).click();
      await expect(picker).toBeFocused();
      await estimated;
      expect(searches).toEqual([]);
      await expect(picker).toHaveAttribute("aria-expanded", "false");
      await picker.press("ArrowDown");
      await expect(page.getByRole("option", { name: /^ink/ })).toBeVisible();
      await picker.press("Escape");

      // Another server with the same files: the same pixels.
      const there = await newProject(request, other.url);
      await openStudio(page, other.url, there);
      await dropPicture(page, made, "circle.png");
      await expect(prompt(page)).toHaveValue("a red circle <lora:wash:0.5>");
      await expect(weight(page, "ink")).toHaveValue("0.8");
      await expect(weight(page, "wash")).toHaveValue("0.5");
      await expect(field(page, "Steps")).toHaveValue("8");
      await expect(field(page, "Seed")).toHaveValue("7");
      expect(pixels(await draw(page, request, other.url, there)).equals(pixels(made)), "the same pixels").toBe(true);

      // A file that is missing there is said.
      const file = path.join(folder, "loras/ink.safetensors");
      renameSync(file, `${file}.away`);
      await listed(request, other.url, 2);
      await dropPicture(page, made, "circle.png");
      await expect(page.getByRole("alert")).toContainText('loras: ink (there is no LoRA "ink"');
      await keep(page, "shelf-missing", width);
      renameSync(`${file}.away`, file);
      for (const one of [server, other]) await listed(request, one.url, 3);
    });

    test("a style is saved, used, recorded, changed, imported, and deleted with an undo", async ({ page, request, consoleMessages }) => {
      for (const { id } of await (await request.get(`${server.url}/api/v1/styles`)).json()) await request.delete(`${server.url}/api/v1/styles/${id}`);
      const project = await newProject(request, server.url);
      await openStudio(page, server.url, project);
      const panel = page.getByRole("region", { name: "Styles" });
      const opener = page.getByRole("button", { name: "Styles", exact: true });
      const use = (name: string) => panel.getByRole("button", { name: new RegExp(`^${name}\\b`) });
      await prompt(page).fill("on a blue background");
      await page.getByRole("textbox", { name: "Negative prompt" }).fill("blurry");
      await opener.click();
      await expect(panel.getByText("There are no styles yet.")).toBeVisible();
      await panel.getByRole("button", { name: "Save the prompt as a style" }).click();
      await expect(panel.getByRole("textbox", { name: "Added to the prompt" })).toHaveValue("on a blue background");
      await expect(panel.getByRole("textbox", { name: "Added to the negative prompt" })).toHaveValue("blurry");
      await panel.getByRole("button", { name: "Save style" }).click();
      await expect(panel.getByText("Name of the style must not be empty.")).toBeVisible();
      await panel.getByRole("textbox", { name: "Name of the style" }).fill("Blue");
      await keep(page, "styles-editor", width);
      await panel.getByRole("textbox", { name: "Name of the style" }).press("Enter");
      await expect(use("Blue")).toBeVisible();

      // A1111's file.
      const csv = 'name,prompt,negative_prompt\nSketch,"a sketch of {prompt}, pencil",colour\nNight,"at night, moon",\n';
      await panel.getByLabel("Import styles.csv").setInputFiles({ name: "styles.csv", mimeType: "text/csv", buffer: Buffer.from(csv) });
      await expect(panel.getByText("2 styles were imported.")).toBeVisible();
      await panel.getByLabel("Import styles.csv").setInputFiles({ name: "notes.csv", mimeType: "text/csv", buffer: Buffer.from("a,b\n") });
      await expect(panel.getByText('The file notes.csv has no column "name" in its first line.')).toBeVisible();
      // Chromium reports the two refused requests in its console.
      expect(consoleMessages.splice(0).filter((message) => !message.includes("422"))).toEqual([]);

      // Used by name: Enter takes the first that matches.
      await panel.getByRole("searchbox", { name: "Search styles" }).fill("ske");
      await expect(panel.getByText("a sketch of {prompt}, pencil")).toBeVisible();
      await panel.getByRole("searchbox", { name: "Search styles" }).press("Enter");
      await expect(use("Sketch")).toHaveAttribute("aria-pressed", "true");
      await panel.getByRole("searchbox", { name: "Search styles" }).fill("");
      await use("Night").click();
      await keep(page, "styles-panel", width);
      await page.keyboard.press("Escape");
      await expect(page.getByRole("button", { name: "Remove style Sketch" })).toBeVisible();
      await prompt(page).fill("a red circle");
      await page.getByRole("textbox", { name: "Negative prompt" }).fill("");
      // The count is of the prompt with its styles: a sketch of a red circle, pencil, at night, moon.
      await expect(page.getByText("13 of 75 tokens")).toBeVisible();
      await field(page, "Steps").fill("2");
      await draw(page, request, server.url, project);
      const [task] = await (await request.get(`${server.url}/api/v1/tasks?project_id=${project}`)).json();
      expect(task.parameters).toMatchObject({ prompt: "a sketch of a red circle, pencil, at night, moon", negative_prompt: "colour", styles: ["Sketch", "Night"] });
      const facts = page.getByRole("region", { name: "Parameters" });
      await expect(facts.getByText("Sketch, Night")).toBeVisible();
      await keep(page, "styles-used", width);

      // The take's settings bring the short prompt and the styles back.
      await page.getByRole("button", { name: "Remove style Night" }).click();
      await expect(opener).toBeFocused();
      await prompt(page).fill("something else");
      await page.getByRole("button", { name: "Use these settings" }).click();
      await expect(prompt(page)).toHaveValue("a red circle");
      await expect(page.getByRole("button", { name: "Remove style Night" })).toBeVisible();

      // A new name stays in the form; a deleted style leaves it, and comes back by the undo.
      await opener.click();
      await panel.getByRole("button", { name: "Edit Night" }).click();
      await panel.getByRole("textbox", { name: "Name of the style" }).fill("Late");
      await panel.getByRole("button", { name: "Save style" }).click();
      await expect(use("Late")).toHaveAttribute("aria-pressed", "true");
      await panel.getByRole("button", { name: "Delete Late" }).click();
      await expect(panel.getByText("Late was deleted.")).toBeVisible();
      await expect(use("Late")).toHaveCount(0);
      await expect(page.getByRole("button", { name: "Remove style Late", includeHidden: true })).toHaveCount(0);
      await panel.getByRole("button", { name: "Undo" }).click();
      await expect(use("Late")).toHaveAttribute("aria-pressed", "true");

      // Of a take with a style that was changed since, the whole prompt is used.
      await page.keyboard.press("Escape");
      await page.getByRole("button", { name: "Use these settings" }).click();
      await expect(prompt(page)).toHaveValue("a sketch of a red circle, pencil, at night, moon");
      await expect(page.getByRole("button", { name: /^Remove style/ })).toHaveCount(0);
    });
  });
}

test("the choice of the model follows the library, and keeps what was chosen", async ({ page, request }) => {
  const tiny = path.resolve(import.meta.dirname, "../../crates/sdxl/tests/fixtures/tiny/single-f16.safetensors");
  const at = (name: string) => path.join(folder, "checkpoints", name);
  await listed(request, server.url, 3);
  const project = await newProject(request, server.url);
  await openStudio(page, server.url, project);
  const model = page.getByRole("combobox", { name: "Model" });
  const names = () => model.getByRole("option").allTextContents();
  await expect(model).toHaveCount(0);
  for (const name of ["b.safetensors", "c.safetensors"]) {
    copyFileSync(tiny, at(name));
    settle(at(name));
  }
  await expect.poll(names, { timeout: 30_000 }).toHaveLength(3);
  await model.selectOption("c");
  // Another model in front of it: the choice stays.
  copyFileSync(tiny, at("a.safetensors"));
  settle(at("a.safetensors"));
  await expect.poll(names, { timeout: 30_000 }).toHaveLength(4);
  await expect(model).toHaveValue("c");
  rmSync(at("b.safetensors"));
  await expect.poll(names, { timeout: 30_000 }).toHaveLength(3);
  await expect(model).toHaveValue("c");

  // It disappears: it stays chosen, and the form says so.
  renameSync(at("c.safetensors"), `${at("c.safetensors")}.away`);
  await expect(page.getByText("The model c is not here now.")).toBeVisible({ timeout: 30_000 });
  await expect(model).toHaveValue("c");
  await expect(model.getByRole("option", { name: "c (missing)" })).toHaveCount(1);
  await expectAccessible(page);
  renameSync(`${at("c.safetensors")}.away`, at("c.safetensors"));
  await expect(page.getByText("The model c is not here now.")).toHaveCount(0, { timeout: 30_000 });
  await expect(model).toHaveValue("c");
  rmSync(path.join(folder, "checkpoints"), { recursive: true });
  mkdirSync(path.join(folder, "checkpoints"));
  await listed(request, server.url, 3);
});
