// Files that were chosen or dropped, folders walked through, each with its name: its path where it comes from a folder.

// Hidden files of file managers are nobody's reports, nor is what lies in hidden folders below the one given.
const HIDDEN = /\/\.|^\.[^/]*$/;
const usable = ({ name }) => !HIDDEN.test(name);

export const chosenFiles = (files) => [...files].map((file) => ({ name: file.webkitRelativePath || file.name, file })).filter(usable);

// What cannot be read comes without a file.
export async function droppedFiles(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return chosenFiles(transfer.files);
  return (await Promise.all(entries.map(filesOf))).flat().filter(usable);
}

async function filesOf(entry) {
  if (entry.isDirectory) return filesIn(entry);
  const file = await new Promise((resolve) => entry.file(resolve, () => resolve(null)));
  return [{ name: nameOf(entry), file }];
}

async function filesIn(folder) {
  const reader = folder.createReader();
  const found = [];
  // A reader hands out some entries at a time, and none when it is through.
  for (;;) {
    const some = await new Promise((resolve) => reader.readEntries(resolve, () => resolve(null)));
    if (some === null) found.push({ name: nameOf(folder), file: null });
    if (!some?.length) return found;
    for (const inner of some) found.push(...(await filesOf(inner)));
  }
}

const nameOf = (entry) => entry.fullPath.slice(1);
