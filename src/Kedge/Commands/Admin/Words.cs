using System.Globalization;

namespace Kedge.Commands.Admin;

/// <summary>Values as a person reads them in a table. JSON has them exact.</summary>
internal static class Words
{
    /// <summary>What stands for nothing.</summary>
    public const string None = "-";

    /// <summary>A list in one cell.</summary>
    public static string List(IEnumerable<string> values) => string.Join(", ", values) is { Length: > 0 } text ? text : None;

    /// <summary>A text that may be missing.</summary>
    public static string OrNone(string? text) => string.IsNullOrEmpty(text) ? None : text;

    /// <summary>Yes or no.</summary>
    public static string YesNo(bool value) => value ? "yes" : "no";

    /// <summary>A number.</summary>
    public static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);

    /// <summary>A time, to the second.</summary>
    public static string Time(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    /// <summary>How long ago or ahead a time is, such as <c>3 min ago</c> or <c>in 7 days</c>.</summary>
    public static string When(DateTimeOffset at, DateTimeOffset now) =>
        at <= now ? $"{Span(now - at)} ago" : $"in {Span(at - now)}";

    /// <inheritdoc cref="When(DateTimeOffset, DateTimeOffset)"/>
    public static string When(DateTimeOffset? at, DateTimeOffset now, string never) => at is { } time ? When(time, now) : never;

    // Rounded, so that what was just made for an hour ends in 60 min, not in 59.
    private static string Span(TimeSpan span) => span switch
    {
        { TotalSeconds: < 120 } => $"{Round(span.TotalSeconds)} s",
        { TotalMinutes: < 120 } => $"{Round(span.TotalMinutes)} min",
        { TotalHours: < 48 } => $"{Round(span.TotalHours)} h",
        _ => $"{Round(span.TotalDays)} days",
    };

    private static string Round(double value) => Number((long)Math.Round(value));
}
