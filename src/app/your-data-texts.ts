// Owns the texts about a person's data, in every language. They come with the part of the settings that shows them.
import type { Language } from "../ui/language.ts";

const english = {
  title: "Your data",
  exportAll: "Export my data",
  exporting: "The export is being made",
  import: "Import",
  importHint: "conversations.json of an export from here or from ChatGPT",
  importing: "Importing",
  imported: (made: number, skipped: number, refused: number): string =>
    `${made} imported, ${skipped} there already, ${refused} not taken`,
  notImported: "This file cannot be imported.",
  remove: "Delete account",
  warning:
    "This deletes the account with all conversations and files, on every device, for ever. Export first what you want to keep.",
  type: (word: string): string => `Type "${word}" to confirm`,
  word: "delete",
  removeNow: "Delete everything for ever",
};

export type DataTexts = typeof english;

export const dataTexts: Readonly<Record<Language, DataTexts>> = {
  en: english,
  de: {
    title: "Deine Daten",
    exportAll: "Meine Daten exportieren",
    exporting: "Der Export wird erstellt",
    import: "Importieren",
    importHint: "conversations.json aus einem Export von hier oder von ChatGPT",
    importing: "Wird importiert",
    imported: (made, skipped, refused) => `${made} importiert, ${skipped} schon da, ${refused} nicht übernommen`,
    notImported: "Diese Datei lässt sich nicht importieren.",
    remove: "Konto löschen",
    warning:
      "Das löscht das Konto mit allen Unterhaltungen und Dateien, auf allen Geräten, für immer. Exportiere vorher, was du behalten willst.",
    type: (word) => `Zur Bestätigung „${word}“ eingeben`,
    word: "löschen",
    removeNow: "Alles für immer löschen",
  },
  ar: {
    title: "بياناتك",
    exportAll: "تصدير بياناتي",
    exporting: "يجري إعداد التصدير",
    import: "استيراد",
    importHint: "ملف conversations.json من تصدير من هنا أو من ChatGPT",
    importing: "جارٍ الاستيراد",
    imported: (made, skipped, refused) => `استُورد ${made}، موجود مسبقًا ${skipped}، لم يُقبل ${refused}`,
    notImported: "لا يمكن استيراد هذا الملف.",
    remove: "حذف الحساب",
    warning: "يحذف هذا الحساب مع كل المحادثات والملفات، على كل الأجهزة، إلى الأبد. صدّر أولًا ما تريد الاحتفاظ به.",
    type: (word) => `اكتب «${word}» للتأكيد`,
    word: "حذف",
    removeNow: "حذف كل شيء إلى الأبد",
  },
};
