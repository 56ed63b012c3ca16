using System.Globalization;

namespace Kedge.Commands.Admin;

/// <summary>Durations as a person writes them: <c>90s</c>, <c>30m</c>, <c>12h</c>, <c>7d</c>.</summary>
internal static class Lifetime
{
    /// <summary>The shortest and the longest that a token may have, in seconds.</summary>
    public const int Shortest = 60, Longest = 31_536_000;

    /// <summary>Reads a duration between the shortest and the longest.</summary>
    /// <param name="text">A whole number and a unit.</param>
    /// <param name="seconds">The duration in seconds.</param>
    public static bool TryParse(string text, out int seconds)
    {
        seconds = 0;
        if (text.Length < 2 || !long.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out long number))
            return false;
        long unit = text[^1] switch { 's' => 1, 'm' => 60, 'h' => 3600, 'd' => 86_400, _ => 0 };
        if (unit == 0 || number > Longest || number * unit is < Shortest or > Longest)
            return false;
        seconds = (int)(number * unit);
        return true;
    }
}
