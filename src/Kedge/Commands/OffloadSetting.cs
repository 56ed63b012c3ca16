using System.CommandLine;
using Kedge.Protocol;

namespace Kedge.Commands;

/// <summary>
/// Which offloads a device is to use where the kernel has them; what it lacks is found out when they are switched on. For comparison, and
/// for a network card whose driver gets one of them wrong.
/// </summary>
/// <param name="Tun">Those of the interface: checksums and packets that stand for several.</param>
/// <param name="Udp">Those of the socket: runs of datagrams.</param>
internal readonly record struct OffloadSetting(bool Tun, bool Udp)
{
    private const string Variable = "KEDGE_OFFLOAD";
    private const string Default = "on";

    private static readonly string[] Words = ["off", "tun", "udp", "on"];

    /// <summary>A new option for one command; <see cref="Parse"/> reads its value.</summary>
    public static Option<string> Option() => Setting.Choice(
        "--offload", Variable, Words, Default, "Which offloads to use where the kernel has them: the interface's, the socket's, or both.");

    /// <summary>What a word stands for.</summary>
    /// <exception cref="UserError">It stands for nothing.</exception>
    public static OffloadSetting Parse(string word) => word switch
    {
        "off" => new(Tun: false, Udp: false),
        "tun" => new(Tun: true, Udp: false),
        "udp" => new(Tun: false, Udp: true),
        "on" => new(Tun: true, Udp: true),
        _ => throw new UserError($"{Variable} is '{word}', but must be one of {string.Join(", ", Words)}."),
    };
}
