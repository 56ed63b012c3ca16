using System.CommandLine;
using Kedge.Commands;
using Kedge.Protocol;

namespace Kedge.Tests.Commands;

public class OffloadSettingTests
{
    [Theory]
    [InlineData("off", false, false)]
    [InlineData("tun", true, false)]
    [InlineData("udp", false, true)]
    [InlineData("on", true, true)]
    public void Each_word_chooses(string word, bool tun, bool udp)
    {
        Assert.Equal(new OffloadSetting(tun, udp), OffloadSetting.Parse(word));
        Assert.Equal(word, Parsed("--offload", word).GetRequiredValue<string>("--offload"));
    }

    [Fact]
    public void Everything_is_on_where_nobody_chooses()
    {
        Assert.Equal(new OffloadSetting(Tun: true, Udp: true), OffloadSetting.Parse(Parsed().GetRequiredValue<string>("--offload")));
    }

    [Theory]
    [InlineData("")]
    [InlineData("ON")]
    [InlineData("tun,udp")]
    public void Another_word_is_refused_and_the_right_ones_are_named(string word)
    {
        string message = Assert.Throws<UserError>(() => OffloadSetting.Parse(word)).Message;

        Assert.Equal($"KEDGE_OFFLOAD is '{word}', but must be one of off, tun, udp, on.", message);
        IEnumerable<string> ofOption = Parsed("--offload", word).Errors.Select(error => error.Message);
        Assert.Equal([$"--offload is '{word}', but must be one of off, tun, udp, on."], ofOption);
    }

    private static ParseResult Parsed(params string[] line) => new RootCommand { OffloadSetting.Option() }.Parse(line);
}
