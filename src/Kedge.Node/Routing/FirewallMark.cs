using System.Globalization;
using System.Numerics;

namespace Kedge.Node.Routing;

/// <summary>
/// The bit of the firewall mark (SO_MARK of socket(7)) by which the kernel knows an overlay's own datagrams, so that they are not routed
/// into the overlay. One bit is enough to be told apart by a positive match, <c>fwmark 0/BIT</c>: a rule that is inverted would match every
/// other destination as well.
/// </summary>
/// <param name="Bit">The bit, as a number with no other bit set.</param>
public readonly record struct FirewallMark(uint Bit)
{
    /// <summary>
    /// The bit where nothing else is asked for. It is none of those by default of kube-proxy (0x4000, 0x8000), the CNI port map (0x2000),
    /// Calico (0xffff0000), Cilium (0x0f00 and the upper half), Tailscale (0xff0000), the AWS CNI (0x80), nor one of wg-quick's whole mark
    /// (51820, 0xca6c).
    /// </summary>
    public static readonly FirewallMark Default = new(0x1000);

    /// <summary>
    /// Reads <c>BIT</c> or <c>BIT/BIT</c>, as value and mask are written elsewhere, in decimal or, after <c>0x</c>, in hexadecimal.
    /// </summary>
    /// <param name="text">What a person wrote.</param>
    /// <param name="mark">The bit.</param>
    /// <returns>Whether it is one bit.</returns>
    public static bool TryParse(string text, out FirewallMark mark)
    {
        ArgumentNullException.ThrowIfNull(text);
        mark = default;
        string[] parts = text.Split('/');
        if (parts.Length > 2 || !TryParseNumber(parts[0], out uint value) || !BitOperations.IsPow2(value))
            return false;
        if (parts.Length == 2 && (!TryParseNumber(parts[1], out uint mask) || mask != value))
            return false;
        mark = new FirewallMark(value);
        return true;
    }

    /// <summary>Whether a whole mark has the bit.</summary>
    public bool IsIn(uint mark) => (mark & Bit) != 0;

    /// <summary>The bit in hexadecimal, such as <c>0x1000</c>.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"0x{Bit:x}");

    private static bool TryParseNumber(string text, out uint number) => text.StartsWith("0x", StringComparison.OrdinalIgnoreCase)
        ? uint.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out number)
        : uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);
}
